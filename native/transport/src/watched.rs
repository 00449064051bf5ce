//! The stream that `h2` reads and writes: read ahead in large pieces, bounded a turn, and its frames read along.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::frames::{Facts, Frames};
use crate::reactor::Reactor;

/// What is read at a time: a copy out of it costs less than a system call for each frame of 16 KiB.
const AHEAD_BYTES: usize = 64 * 1024;

/// Where bytes come from and go to: a socket, or TLS on one.
pub trait Line: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Line for T {}

/// See the module.
pub struct Watched {
    line: Box<dyn Line>,
    facts: Arc<Facts>,
    reactor: Arc<Reactor>,
    ahead: Box<[u8]>,
    start: usize,
    end: usize,
    inwards: Frames,
    outwards: Frames,
}

impl Watched {
    pub fn new(line: Box<dyn Line>, facts: Arc<Facts>, reactor: Arc<Reactor>) -> Self {
        Self {
            line,
            facts,
            reactor,
            ahead: vec![0; AHEAD_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            inwards: Frames::of_peer(),
            outwards: Frames::of_client(),
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.start == this.end {
            let mut ahead = ReadBuf::new(&mut this.ahead);
            std::task::ready!(Pin::new(&mut this.line).poll_read(context, &mut ahead))?;
            (this.start, this.end) = (0, ahead.filled().len());
            if this.end == 0 {
                return Poll::Ready(Ok(()));
            }
            this.facts.received(&mut this.inwards, &this.ahead[..this.end])?;
        }
        let count = (this.end - this.start).min(buffer.remaining());
        let count = this.facts.allowed(count);
        if count == 0 {
            // The rest has its turn once what came has been passed on.
            this.reactor.stir();
            return Poll::Pending;
        }
        this.facts.spend(count);
        buffer.put_slice(&this.ahead[this.start..this.start + count]);
        this.start += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let count = std::task::ready!(Pin::new(&mut this.line).poll_write(context, bytes))?;
        this.facts.written(&mut this.outwards, &bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let line = Pin::new(&mut this.line);
        let count = std::task::ready!(line.poll_write_vectored(context, slices))?;
        let mut left = count;
        for slice in slices {
            let part = left.min(slice.len());
            this.facts.written(&mut this.outwards, &slice[..part]);
            left -= part;
        }
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        self.line.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_shutdown(context)
    }
}
