//! What goes wrong: HTTP/2's codes, and whom they concern.

/// A code of HTTP/2 (RFC 9113, 7).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ErrorCode(pub u32);

macro_rules! codes {
    ($($name:ident = $number:literal,)*) => {
        #[allow(missing_docs)] // HTTP/2's own names
        impl ErrorCode {
            $(pub const $name: Self = Self($number);)*
        }

        impl std::fmt::Debug for ErrorCode {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.0 {
                    $($number => formatter.write_str(stringify!($name)),)*
                    number => write!(formatter, "error {number}"),
                }
            }
        }
    };
}

codes! {
    NO_ERROR = 0,
    PROTOCOL_ERROR = 1,
    INTERNAL_ERROR = 2,
    FLOW_CONTROL_ERROR = 3,
    SETTINGS_TIMEOUT = 4,
    STREAM_CLOSED = 5,
    FRAME_SIZE_ERROR = 6,
    REFUSED_STREAM = 7,
    CANCEL = 8,
    COMPRESSION_ERROR = 9,
    CONNECT_ERROR = 10,
    ENHANCE_YOUR_CALM = 11,
    INADEQUATE_SECURITY = 12,
    HTTP_1_1_REQUIRED = 13,
}

/// Why a stream ended before its answer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The peer reset it.
    Reset(ErrorCode),
    /// The answer breaks HTTP/2; the peer is told.
    Malformed(ErrorCode),
    /// The peer said GOAWAY, and that it does not act on this stream.
    GoneAway,
}

/// Why a connection is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What came first is not HTTP/2.
    Stranger,
    /// The peer breaks HTTP/2, and is told if it still listens.
    Broken(ErrorCode),
}
