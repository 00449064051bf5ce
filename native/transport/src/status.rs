//! How a call ends: gRPC's codes, the texts that come with them, and what is said in headers about both.

use base64::engine::general_purpose::GeneralPurposeConfig;
use base64::engine::{DecodePaddingMode, GeneralPurpose};
use base64::Engine as _;
use std::time::Duration;

use e6data_http2::{ErrorCode, Fields};

/// How a call ended, by gRPC's numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs)] // gRPC's own names
pub enum Code {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

const CODES: [Code; 17] = [
    Code::Ok,
    Code::Cancelled,
    Code::Unknown,
    Code::InvalidArgument,
    Code::DeadlineExceeded,
    Code::NotFound,
    Code::AlreadyExists,
    Code::PermissionDenied,
    Code::ResourceExhausted,
    Code::FailedPrecondition,
    Code::Aborted,
    Code::OutOfRange,
    Code::Unimplemented,
    Code::Internal,
    Code::Unavailable,
    Code::DataLoss,
    Code::Unauthenticated,
];

/// How a call failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The status.
    pub code: Code,
    /// The server's words, or ours: those of gRPC's own core where it has some.
    pub text: String,
    /// `google.rpc.Status` as the server sent it, or nothing.
    pub details: Vec<u8>,
    /// The milliseconds after which the server wants to be asked again; negative where it does not want to be.
    pub pushback: Option<i64>,
    /// Whether the server itself said so, in a status of its own.
    pub is_word: bool,
    /// Whether it is certain that not all of the request went out, so that nobody can have acted on it.
    pub never_left: bool,
}

impl Failure {
    /// A failure that no server put into words.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            details: Vec::new(),
            pushback: None,
            is_word: false,
            never_left: false,
        }
    }

    /// The same, of a call that did not leave.
    pub fn unsent(code: Code, text: impl Into<String>) -> Self {
        Self { never_left: true, ..Self::new(code, text) }
    }
}

/// What the end of an answer says: `None` where it has no status, which no end of a call lacks.
///
/// A status that is no number says that the call did not succeed, and nothing else.
pub fn status_of(headers: &Fields) -> Option<Result<(), Failure>> {
    let given = headers.get("grpc-status")?;
    let Some(number) = number(given) else {
        return Some(Err(Failure::new(
            Code::Unknown,
            "Stream removed (the status is not a number)",
        )));
    };
    if number == 0 {
        return Some(Ok(()));
    }
    let code = usize::try_from(number).ok().and_then(|number| CODES.get(number).copied());
    let text = headers.get("grpc-message").map(percent_decoded);
    Some(Err(Failure {
        code: code.unwrap_or(Code::Unknown),
        text: text.unwrap_or_default(),
        details: headers
            .get("grpc-status-details-bin")
            .and_then(|details| BASE64.decode(details).ok())
            .unwrap_or_default(),
        pushback: headers.get("grpc-retry-pushback-ms").map(|given| {
            // What is no number asks not to come back (gRPC proposal A6).
            self::number(given).map_or(-1, i64::from)
        }),
        is_word: true,
        never_left: false,
    }))
}

fn number(digits: &[u8]) -> Option<u32> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}

/// gRPC's bytes in headers may come with padding and without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The text of `grpc-message`; an escape that is none stays as it is.
pub fn percent_decoded(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let escaped = text.get(at + 1..at + 3).and_then(|digits| {
            let high = char::from(digits[0]).to_digit(16)?;
            let low = char::from(digits[1]).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()
        });
        match escaped {
            Some(escaped) if byte == b'%' => {
                bytes.push(escaped);
                at += 3;
            }
            _ => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The code that stands for an answer in HTTP, by gRPC's table.
pub fn code_of_http(status: u16) -> Code {
    match status {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// The code that stands for a reset stream, as gRPC's own core has it.
pub fn code_of_reset(reason: ErrorCode) -> Code {
    match reason {
        ErrorCode::CANCEL => Code::Cancelled,
        ErrorCode::REFUSED_STREAM => Code::Unavailable,
        ErrorCode::ENHANCE_YOUR_CALM => Code::ResourceExhausted,
        ErrorCode::INADEQUATE_SECURITY => Code::PermissionDenied,
        _ => Code::Internal,
    }
}

/// The value of `grpc-timeout`: at most eight digits, rounded up, never 0 (tonic takes that for no deadline).
pub fn timeout_header(left: Duration) -> String {
    let (seconds, most) = (left.as_secs(), 100_000_000);
    let millis = u64::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1);
    if millis < most {
        format!("{millis}m")
    } else if seconds < most {
        format!("{seconds}S")
    } else {
        format!("{}H", (seconds / 3600).min(most - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the smallest unit that has room, and never less than what is left.
    #[test]
    fn deadlines_are_sent_as_they_are() {
        for (left, sent) in [
            (Duration::ZERO, "1m"),
            (Duration::from_nanos(1), "1m"),
            (Duration::from_micros(1_234_567), "1235m"),
            (Duration::from_millis(99_999_999), "99999999m"),
            (Duration::from_secs(100_000), "100000S"),
            (Duration::from_secs(100_000_000), "27777H"),
            (Duration::MAX, "99999999H"),
        ] {
            assert_eq!(timeout_header(left), sent);
        }
    }
}
