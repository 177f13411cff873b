"""Asking the injection service for its version."""

import io
import xml.etree.ElementTree as ET

import pytest
import xmlschema

from daemon.errors import Refused, Unreadable
from daemon.marketplaces.sellr import checks, xmlread
from tests.marketplaces.sellr.made_up import golden
from tests.marketplaces.sellr.test_offers import WSDL


def test_the_question_is_the_golden_one() -> None:
    assert checks.version_request() == golden("get-version.xml")


@pytest.mark.skipif(not WSDL.exists(), reason="the WSDL is not beside the repository")
def test_question_and_answer_are_valid_by_the_wsdl() -> None:
    schemas = ET.parse(WSDL).iter("{http://www.w3.org/2001/XMLSchema}schema")
    schema = next(found for found in schemas if found.get("targetNamespace") == checks.VERSION_NAMESPACE)
    checked = xmlschema.XMLSchema(io.StringIO(ET.tostring(schema, "unicode")))
    for name, content in (("Request", checks.version_request()), ("Response", golden("version.xml"))):
        found = ET.fromstring(content).find(f".//{{{checks.VERSION_NAMESPACE}}}GetVersion{name}_1.0")
        assert found is not None
        checked.validate(found)


def test_the_action_is_the_one_of_the_wsdl() -> None:
    if WSDL.exists():
        assert f'soapAction="{checks.VERSION}"' in WSDL.read_text("utf-8")


def test_the_version_is_read() -> None:
    assert checks.read_version(xmlread.read(golden("version.xml"))) == "1.0.7"


def test_a_fault_and_a_reply_without_a_version_are_told_apart() -> None:
    with pytest.raises(Refused):
        checks.read_version(xmlread.read(golden("soap-fault.xml")))
    with pytest.raises(Unreadable, match="no version"):
        checks.read_version(xmlread.read(golden("injected.xml")))
