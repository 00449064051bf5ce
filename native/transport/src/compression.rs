//! Compressed messages, as gRPC names their encodings: `gzip`, and `deflate`, which is zlib's format.

use std::io::Read;

use flate2::read::{GzDecoder, ZlibDecoder};

use crate::status::{Code, Failure};

/// The encodings that a server may choose from.
pub const ACCEPTED: &str = "identity,deflate,gzip";

/// How the messages of an answer are compressed, if they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    #[default]
    None,
    Gzip,
    Deflate,
    /// One that we did not offer.
    Other(String),
}

impl Encoding {
    /// The encoding that the field `grpc-encoding` names.
    pub fn named(name: Option<&[u8]>) -> Self {
        match name {
            None | Some(b"identity") => Self::None,
            Some(b"gzip") => Self::Gzip,
            Some(b"deflate") => Self::Deflate,
            Some(other) => Self::Other(String::from_utf8_lossy(other).into_owned()),
        }
    }

    /// The message that *packed* is, of *max_bytes* at most, in the memory of *message*.
    pub fn unpack(
        &self,
        packed: &[u8],
        max_bytes: usize,
        message: Vec<u8>,
    ) -> Result<Vec<u8>, Failure> {
        let internal = |text: String| Err(Failure::new(Code::Internal, text));
        match self {
            Self::None => internal("Compression bit set but no encoding configured".to_owned()),
            Self::Other(name) => {
                internal(format!("Decompression failed: the encoding {name:?} is not known"))
            }
            Self::Gzip => read(GzDecoder::new(packed), max_bytes, message),
            Self::Deflate => read(ZlibDecoder::new(packed), max_bytes, message),
        }
    }
}

fn read(packed: impl Read, max_bytes: usize, mut message: Vec<u8>) -> Result<Vec<u8>, Failure> {
    message.clear();
    let most = u64::try_from(max_bytes).unwrap_or(u64::MAX);
    match packed.take(most.saturating_add(1)).read_to_end(&mut message) {
        Ok(_) if message.len() > max_bytes => {
            let text = format!(
                "CLIENT: Received message larger than max (more than {max_bytes}, unpacked, vs. {max_bytes})"
            );
            Err(Failure::new(Code::ResourceExhausted, text))
        }
        Ok(_) => Ok(message),
        Err(error) => Err(Failure::new(Code::Internal, format!("Decompression failed: {error}"))),
    }
}
