//! A non-blocking socket as the asynchronous stream that the link and `tokio-rustls` read and write.

use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use socket2::Socket;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::reactor::Reactor;

/// Where bytes come from and go to: a socket, or TLS on one.
pub trait Line: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Line for T {}

/// A connected socket; where it would block, the reactor is told what to wait for.
pub struct TcpLine {
    socket: Arc<Socket>,
    reactor: Arc<Reactor>,
}

impl TcpLine {
    pub fn new(socket: Arc<Socket>, reactor: Arc<Reactor>) -> Self {
        Self { socket, reactor }
    }

    fn written(&self, result: io::Result<usize>) -> Poll<io::Result<usize>> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.reactor.want_write(&self.socket);
                Poll::Pending
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.reactor.stir();
                Poll::Pending
            }
            result => Poll::Ready(result),
        }
    }
}

impl AsyncRead for TcpLine {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match (&*self.socket).read(buffer.initialize_unfilled()) {
            Ok(count) => {
                buffer.advance(count);
                Poll::Ready(Ok(()))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.reactor.want_read(&self.socket);
                Poll::Pending
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.reactor.stir();
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncWrite for TcpLine {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written((&*self.socket).write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.written((&*self.socket).write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A peer that is gone already is as good.
        let _ = self.socket.shutdown(std::net::Shutdown::Write);
        Poll::Ready(Ok(()))
    }
}
