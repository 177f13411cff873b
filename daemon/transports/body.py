"""What is to be sent, where it is too long to be held in memory: a stream of known length that can be read again."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Body:
    """`length` bytes, read from the spool by iterating over `chunks()`; each call starts from the first byte again."""

    length: int
    chunks: Callable[[], AsyncIterator[bytes]]

    async def read(self) -> AsyncGenerator[bytes, None]:
        """Yield the chunks, and close what they come from; raises ValueError as soon as they are not `length` bytes."""
        chunks = self.chunks()
        left = self.length
        try:
            async for chunk in chunks:
                left -= len(chunk)
                if left < 0:
                    break
                yield chunk
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()
        if left:
            raise ValueError(f"the content is not the {self.length} bytes long that it said")
