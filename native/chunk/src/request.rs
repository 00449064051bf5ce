//! The protobuf envelopes of requests, for calls that native code makes by itself.

use crate::response::put_bytes;

/// The request of `prepareStatement`, or with a catalog of `prepareStatementV2`.
pub fn preparation(session_id: &str, schema: &str, catalog: Option<&str>, sql: &str) -> Vec<u8> {
    let mut request = Vec::with_capacity(sql.len() + session_id.len() + 64);
    put_text(&mut request, 1, session_id);
    put_text(&mut request, 2, schema);
    if let Some(catalog) = catalog {
        put_text(&mut request, 3, catalog);
        put_text(&mut request, 4, sql);
    } else {
        put_text(&mut request, 3, sql);
    }
    request
}

/// What the requests about one query have in common; the simple ones have nothing else.
pub fn about_query(engine: &str, session_id: &str, query_id: &str) -> Vec<u8> {
    let mut request = Vec::with_capacity(engine.len() + session_id.len() + query_id.len() + 16);
    put_text(&mut request, 1, engine);
    put_text(&mut request, 2, session_id);
    put_text(&mut request, 3, query_id);
    request
}

/// A text that is empty is not sent, as protobuf 3 has it.
fn put_text(request: &mut Vec<u8>, number: u64, text: &str) {
    if !text.is_empty() {
        put_bytes(request, number, text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_about_a_query_has_three_texts() {
        assert_eq!(about_query("e", "s", "qq"), b"\x0a\x01e\x12\x01s\x1a\x02qq");
        assert_eq!(about_query("e", "", "q"), b"\x0a\x01e\x1a\x01q");
    }

    #[test]
    fn a_preparation_has_a_catalog_or_not() {
        assert_eq!(preparation("s", "d", None, "x"), b"\x0a\x01s\x12\x01d\x1a\x01x");
        assert_eq!(preparation("s", "", Some("c"), "x"), b"\x0a\x01s\x1a\x01c\x22\x01x");
    }

    #[test]
    fn a_long_text_has_a_length_of_several_bytes() {
        let sql = "x".repeat(300);
        let request = preparation("", "", None, &sql);
        assert_eq!(&request[..3], b"\x1a\xac\x02");
        assert_eq!(request.len(), 303);
    }
}
