"""Messages written out by hand, as a client would put them on the wire, and the means to send them."""

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import asyncssh
import httpx

from daemon.sandbox.server import Sandbox
from daemon.sandbox.sftp import SftpAddress

BASIC = ("SELLER1001-1", "sandbox-http")
EAN = "3701234567891"
OTHER_EAN = "3701234567884"

VENDOR_ITEM = """
  <VendorItem>
    <EAN>3701234567891</EAN>
    <Classification><ClassificationValue>S001</ClassificationValue></Classification>
    <Product>
      <ProductId><![CDATA[P-1]]></ProductId>
      <ProductTitles><ProductTitle language="fr"><![CDATA[Lampe]]></ProductTitle></ProductTitles>
      <ProductDescriptions><ProductDescription language="fr"><![CDATA[<p>Lampe d&eacute;co</p>]]></ProductDescription></ProductDescriptions>
      <ProductBrand><BrandCode>B0042</BrandCode></ProductBrand>
      <Medias>
        <Media><MediaType>Photo</MediaType><MediaURL><![CDATA[https://img.example.test/1.jpg]]></MediaURL><MediaEncoding>jpg</MediaEncoding><Checksum>0123456789abcdef0123456789abcdef</Checksum><ChecksumType>MD5</ChecksumType><PublicationRank>1</PublicationRank></Media>
        <Media><MediaType>Photo</MediaType><MediaURL><![CDATA[https://img.example.test/2.jpg]]></MediaURL><MediaEncoding>jpg</MediaEncoding><Checksum>0123456789abcdef0123456789abcdef</Checksum><ChecksumType>MD5</ChecksumType><PublicationRank>2</PublicationRank></Media>
      </Medias>
    </Product>
    <Vendor><VendorId>1001</VendorId></Vendor>
    <Attributes>
      <Attribute><AttributeCode>A0485</AttributeCode><IsDeclinable>true</IsDeclinable><AttributeValues><AttributeValueCode>V12</AttributeValueCode><AttributeValueLabel language="fr">Bleu</AttributeValueLabel></AttributeValues></Attribute>
    </Attributes>
  </VendorItem>"""

OFFER_ITEM = """
  <Item>
    <ItemIdentification><ItemStandardID Qualifier="EN">3701234567891</ItemStandardID></ItemIdentification>
    <ItemConditions><ItemCondition Condition="New">
      <Availability><StockQuantity>7</StockQuantity></Availability>
      <SellerOffers><SellerOffer Site="www.laredoute.fr" CountryCode="FR">
        <SellerOfferPrices><SellerOfferPrice SellerOfferID="SKU-1" OfferNature="Standard" CustomerTarget="All">
          <OfferPeriod><StartDate>2024-01-15T10:00:00.000Z</StartDate><EndDate>2034-01-15T10:00:00.000Z</EndDate></OfferPeriod>
          <SellingPrice CurrencyCode="EUR" PriceType="SellingPrice"><Amount>100.00</Amount><VATRate>0.20</VATRate></SellingPrice>
          <BlockedPrice>166.66</BlockedPrice>
        </SellerOfferPrice></SellerOfferPrices>
        <Deliveries><Delivery DeliveryType="Regular" DeliveryMode="Home">
          <DeliveryFee CurrencyCode="EUR">4.90</DeliveryFee><ShipmentDelay>2</ShipmentDelay>
          <DeliveryDaysRange><Min>2</Min><Max>5</Max></DeliveryDaysRange>
        </Delivery></Deliveries>
      </SellerOffer></SellerOffers>
    </ItemCondition></ItemConditions>
  </Item>"""


def vendor_items(*items: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<VendorItems xmlns="http://RedouteFrance/CAT-EXT-INTG/Product/VendorItems/1.0">'
        + "".join(items)
        + "</VendorItems>"
    )


def offer_file(*items: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<SellerOfferRequest xmlns="http://RedCats/MarketPlace/Partnership/2.0" MessageRelease="1.0" '
        'MessageDate="2024-01-15T10:01:13.000Z" SellerID="1001" HubID="400">' + "".join(items) + "</SellerOfferRequest>"
    )


def items_message(
    file: str, *, key: str = "sandbox-items-key", action: str = "http://RedouteFrance/seller/items/1.1"
) -> tuple[dict[str, str], bytes]:
    body = (
        "--edge-of-part\r\n"
        "Content-Type: text/xml; charset=UTF-8\r\n"
        "Content-ID: <main_envelope>\r\n"
        "\r\n"
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns="http://RedouteFrance/seller/items/1.1">'
        f"<soapenv:Header/><soapenv:Body><attachment/><ns:injectItems><api-key>{key}</api-key></ns:injectItems></soapenv:Body></soapenv:Envelope>\r\n"
        "--edge-of-part\r\n"
        "Content-Type: application/octet-stream\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        "Content-ID: <attachment>\r\n"
        "\r\n" + base64.encodebytes(file.encode()).decode().replace("\n", "\r\n") + "--edge-of-part--\r\n"
    )
    headers = {
        "Content-Type": 'multipart/related; type="text/xml"; start="<main_envelope>"; boundary="edge-of-part"',
        "SOAPAction": f'"{action}"',
    }
    return headers, body.encode()


def inject_request(
    *, user: str = "1001", system: str = "400", flow: str = "MKP_SellerOffer", name: str = "1001.MKP_SellerOffer.001.2024-01-15-10-01-13.xml",
    count: int = 1, rest: str = "<f:Overwrite>false</f:Overwrite>",
) -> str:  # fmt: skip
    return (
        '<f:InjectFileRequest_1.0 xmlns:f="http://Redcats/File/ESB-TIBCO/File/1.0/InjectFile/1.0">'
        f"<f:EUserId>{user}</f:EUserId><f:ESystem>{system}</f:ESystem><f:FlowName>{flow}</f:FlowName><f:FlowVersion>001</f:FlowVersion>"
        f"<f:FileName>{name}</f:FileName><f:FilePath/><f:NumberOfElements>{count}</f:NumberOfElements>"
        f"<f:fileAttachedWithSoapMsg>true</f:fileAttachedWithSoapMsg>{rest}</f:InjectFileRequest_1.0>"
    )


def offers_message(
    file: str,
    request: str,
    *,
    name: str = "1001.MKP_SellerOffer.001.2024-01-15-10-01-13.xml",
    action: str = ' action="InjectFile_1.0";',
) -> tuple[dict[str, str], bytes]:
    body = (
        "--edge-of-part\r\n"
        f"Content-Type: application/soap+xml;{action} charset=UTF-8\r\n"
        "Content-ID: <main_envelope>\r\n"
        "\r\n"
        '<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope">'
        f"<env:Body>{request}</env:Body></env:Envelope>\r\n"
        "--edge-of-part\r\n"
        "Content-Type: text/xml; charset=UTF-8\r\n"
        f'Content-Disposition: attachment; name="{name}"; filename="{name}"\r\n'
        f"Content-ID: <{name}>\r\n"
        "Content-Transfer-Encoding: binary\r\n"
        "\r\n" + file + "\r\n--edge-of-part--\r\n"
    )
    headers = {
        "Content-Type": 'multipart/related; type="application/soap+xml"; start="<main_envelope>"; boundary="edge-of-part"'
    }
    return headers, body.encode()


async def send_items(client: httpx.AsyncClient, *items: str, **message: str) -> httpx.Response:
    headers, body = items_message(vendor_items(*(items or (VENDOR_ITEM,))), **message)
    return await client.post("/seller/items", headers=headers, content=body, auth=BASIC)


async def send_offers(client: httpx.AsyncClient, *items: str, minute: str = "01") -> httpx.Response:
    name = f"1001.MKP_SellerOffer.001.2024-01-15-10-{minute}-13.xml"
    items = items or (OFFER_ITEM,)
    headers, body = offers_message(offer_file(*items), inject_request(name=name, count=len(items)), name=name)
    return await client.post("/Redcats/File/ESB-TIBCO/File/1.0", headers=headers, content=body, auth=BASIC)


async def send_orders(client: httpx.AsyncClient, action: str, request: str) -> httpx.Response:
    envelope = (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:o="http://RedouteFrance/seller/order/1.2">'
        f"<s:Body>{request}</s:Body></s:Envelope>"
    )
    headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"NewOrdersService.{action}"'}
    return await client.post("/prod/seller/orders/1.2", headers=headers, content=envelope.encode(), auth=BASIC)


async def retrieve(
    client: httpx.AsyncClient, *statuses: str, key: str = "sandbox-read-key", since: str = "2024-01-15T00:00:00"
) -> httpx.Response:
    wanted = "".join(f"<Status>{status}</Status>" for status in statuses)
    return await send_orders(
        client,
        "RetrieveByStatusRequest",
        f"<o:RetrieveByStatusRequest><apikey>{key}</apikey><Statuses>{wanted}"
        f"<Period><minDate>{since}</minDate><maxDate>2024-01-16T00:00:00</maxDate></Period></Statuses></o:RetrieveByStatusRequest>",
    )


async def update(client: httpx.AsyncClient, actions: str, key: str = "sandbox-update-key") -> httpx.Response:
    return await send_orders(
        client, "UpdateRequest", f"<o:UpdateRequest><apikey>{key}</apikey>{actions}</o:UpdateRequest>"
    )


@asynccontextmanager
async def sftp(address: SftpAddress, user: str, password: str) -> AsyncIterator[asyncssh.SFTPClient]:
    known = asyncssh.import_known_hosts(f"[{address.host}]:{address.port} {address.host_key}\n")
    connection = await asyncssh.connect(
        address.host,
        address.port,
        username=user,
        password=password,
        known_hosts=known,
        config=None,
        client_keys=[],
        agent_path=None,
    )
    try:
        yield await connection.start_sftp_client()
    finally:
        connection.abort()


def laredoute_sftp(sandbox: Sandbox) -> AbstractAsyncContextManager[asyncssh.SFTPClient]:
    return sftp(sandbox.laredoute_sftp, "seller1001", "sandbox-sftp")


def johnlewis_sftp(sandbox: Sandbox) -> AbstractAsyncContextManager[asyncssh.SFTPClient]:
    return sftp(sandbox.johnlewis_sftp, "supplier1001", "sandbox-edge")


async def put(files: asyncssh.SFTPClient, path: str, content: bytes) -> None:
    async with files.open(path, "wb") as file:
        await file.write(content)


async def get(files: asyncssh.SFTPClient, path: str) -> bytes:
    async with files.open(path, "rb") as file:
        content = await file.read()
    assert isinstance(content, bytes)
    return content


async def names(files: asyncssh.SFTPClient, folder: str) -> list[str]:
    return sorted(str(name) for name in await files.listdir(folder) if str(name) not in (".", ".."))


async def until(true: Callable[[], object]) -> None:
    """Wait until something has come true."""
    with anyio.fail_after(30):
        while not true():
            await anyio.sleep(0.01)
