//! Option values: the four types of ADBC, their conversions, and the length protocol of the
//! getters.

use std::collections::BTreeMap;
use std::ffi::c_char;

use crate::error::{quoted, Failure, Status};

/// A value in the type in which it was set.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    Bytes(Vec<u8>),
    Int(i64),
    Double(f64),
}

/// What is set before `Init` hands all of it over at once; the order of arrival does not matter.
#[derive(Clone, Debug, Default)]
pub struct Options(BTreeMap<String, Value>);

impl Options {
    /// Set *key*, or unset it.
    ///
    /// The driver manager sends a Python bool twice, as text and as bytes, in an order of its own:
    /// bytes that only repeat the text do not replace it.
    pub fn set(&mut self, key: &str, value: Option<Value>) {
        match (self.0.get(key), value) {
            (Some(Value::Text(text)), Some(Value::Bytes(bytes))) if text.as_bytes() == bytes => {}
            (_, Some(value)) => {
                self.0.insert(key.to_owned(), value);
            }
            (_, None) => {
                self.0.remove(key);
            }
        }
    }

    /// The value of *key*; `NOT_FOUND` if it is not set.
    pub fn get(&self, key: &str) -> Result<Value, Failure> {
        self.0.get(key).cloned().ok_or_else(|| not_found(key))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter()
    }
}

/// `NOT_FOUND`: *key* has no value.
pub fn not_found(key: &str) -> Failure {
    Failure::new(
        Status::NotFound,
        format_args!("could not read option {}: it is not set", quoted(key)),
    )
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Int(_) => "an integer",
            Self::Double(_) => "a double",
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            Self::Int(_) | Self::Double(_) => None,
        }
    }

    // Never quotes the value: it may be a secret.
    fn mismatch(&self, key: &str, wanted: &str) -> Failure {
        Failure::new(
            Status::InvalidArgument,
            format_args!(
                "could not read option {} as {wanted}: its value is {}",
                quoted(key),
                self.kind()
            ),
        )
    }

    /// The value as text.
    pub fn to_text(&self, key: &str) -> Result<String, Failure> {
        match self {
            Self::Int(number) => Ok(number.to_string()),
            Self::Double(number) => Ok(format!("{number:?}")),
            _ => self.text().map(str::to_owned).ok_or_else(|| self.mismatch(key, "text")),
        }
    }

    /// The value as bytes; numbers as their text.
    pub fn to_bytes(&self, key: &str) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.clone()),
            _ => self.to_text(key).map(String::into_bytes),
        }
    }

    /// The value as an integer, if it is one exactly; `true` and `false` are 1 and 0.
    pub fn to_int(&self, key: &str) -> Result<i64, Failure> {
        let number = match self {
            Self::Int(number) => Some(*number),
            // 2^63 as a double is beyond i64, -2^63 is not.
            Self::Double(number)
                if number.fract() == 0.0
                    && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0)
                        .contains(number) =>
            {
                Some(*number as i64)
            }
            Self::Double(_) => None,
            _ => match self.text().map(str::trim) {
                Some("true") => Some(1),
                Some("false") => Some(0),
                Some(text) => text.parse().ok(),
                None => None,
            },
        };
        number.ok_or_else(|| self.mismatch(key, "an integer"))
    }

    /// The value as a double.
    pub fn to_double(&self, key: &str) -> Result<f64, Failure> {
        let number = match self {
            Self::Double(number) => Some(*number),
            Self::Int(number) => Some(*number as f64),
            _ => self.text().and_then(|text| text.trim().parse().ok()),
        };
        number.ok_or_else(|| self.mismatch(key, "a double"))
    }
}

/// Copy *value* to the caller's buffer if it fits; tell its size in any case.
///
/// # Safety
/// *length* points to the size of the buffer *out*, which may be null if that size is 0.
unsafe fn give(value: &[u8], out: *mut u8, length: *mut usize) -> Result<(), Failure> {
    if length.is_null() {
        return Err(Failure::new(
            Status::InvalidArgument,
            "could not read an option: the length pointer is null",
        ));
    }
    // SAFETY: not null; the caller promises that it points to a size.
    let room = unsafe { *length };
    if !out.is_null() && value.len() <= room {
        // SAFETY: the buffer has `room` bytes, at least as many as the value, and is the caller's.
        unsafe { std::ptr::copy_nonoverlapping(value.as_ptr(), out, value.len()) };
    }
    // SAFETY: as above.
    unsafe { *length = value.len() };
    Ok(())
}

/// Give text with its NUL, which the length counts.
///
/// # Safety
/// *length* points to the size of the buffer *out*, which may be null if that size is 0.
pub unsafe fn give_text(
    mut text: String,
    out: *mut c_char,
    length: *mut usize,
) -> Result<(), Failure> {
    text.push('\0');
    // SAFETY: promised by the caller.
    unsafe { give(text.as_bytes(), out.cast(), length) }
}

/// Give bytes as they are.
///
/// # Safety
/// *length* points to the size of the buffer *out*, which may be null if that size is 0.
pub unsafe fn give_bytes(bytes: &[u8], out: *mut u8, length: *mut usize) -> Result<(), Failure> {
    // SAFETY: promised by the caller.
    unsafe { give(bytes, out, length) }
}

/// Give a number.
///
/// # Safety
/// *out* is null or points to a number of that type.
pub unsafe fn give_number<T>(number: T, out: *mut T) -> Result<(), Failure> {
    if out.is_null() {
        return Err(Failure::new(
            Status::InvalidArgument,
            "could not read an option: the value pointer is null",
        ));
    }
    // SAFETY: not null; the caller promises the type.
    unsafe { *out = number };
    Ok(())
}
