//! One chunk for each rule: the kind of its error, and where.

use super::*;

/// A chunk under construction.
#[derive(Clone, Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn at(&self) -> usize {
        self.0.len()
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn field(self, wire_type: u8, id: u8) -> Self {
        self.raw(&[wire_type, 0, id])
    }

    fn i32(self, value: i32) -> Self {
        self.raw(&value.to_be_bytes())
    }

    fn i32_field(self, id: u8, value: i32) -> Self {
        self.field(8, id).i32(value)
    }

    fn list(self, id: u8, element: u8, count: i32) -> Self {
        self.field(15, id).raw(&[element]).i32(count)
    }

    fn text(self, text: &[u8]) -> Self {
        self.i32(text.len() as i32).raw(text)
    }

    fn chunk(rows: i32, vectors: i32) -> Self {
        Self::default().i32_field(1, rows).list(2, 12, vectors)
    }

    /// Size, type, null set.
    fn vector(self, rows: i32, vector_type: i32, nulls: &[u8]) -> Self {
        self.i32_field(1, rows).i32_field(2, vector_type).list(3, 2, nulls.len() as i32).raw(nulls)
    }

    fn member(self, number: u8) -> Self {
        self.field(12, 4).field(12, number)
    }

    /// End of member, data, vector, chunk.
    fn end(self, constant: bool) -> Self {
        self.raw(&[0, 0]).field(2, 5).raw(&[constant.into(), 0, 0])
    }
}

#[track_caller]
fn check(
    bytes: &Bytes,
    types: &[DataType],
    kind: ErrorKind,
    (column, row, offset): (Option<usize>, Option<usize>, usize),
) {
    let fields = types.iter().map(|data_type| Field::new("c", data_type.clone(), true));
    let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let (fast, exact) = outcomes(&schema, &bytes.0);
    assert_eq!(fast, exact);
    assert_eq!(fast, Err(DecodeError { kind, column, row, offset }));
}

const LONG: DataType = DataType::Int64;

#[track_caller]
fn structure(bytes: &Bytes, kind: ErrorKind, offset: usize) {
    check(bytes, &[LONG], kind, (None, None, offset));
}

#[track_caller]
fn meaning(bytes: &Bytes, data_type: DataType, kind: ErrorKind, row: Option<usize>, offset: usize) {
    check(bytes, &[data_type], kind, (Some(0), row, offset));
}

fn longs(rows: i32, nulls: &[u8], values: &[i64]) -> Bytes {
    let bytes = Bytes::chunk(rows, 1).vector(rows, 6, nulls).member(3);
    let bytes = bytes.list(1, 10, values.len() as i32);
    values.iter().fold(bytes, |bytes, value| bytes.raw(&value.to_be_bytes()))
}

fn strings(vector_type: i32, number: u8, nulls: &[u8], values: &[&[u8]]) -> Bytes {
    let rows = nulls.len() as i32;
    let bytes = Bytes::chunk(rows, 1).vector(rows, vector_type, nulls).member(number);
    let bytes = bytes.list(1, 11, values.len() as i32);
    values.iter().fold(bytes, |bytes, value| bytes.text(value))
}

/// Structure: the first bad item in byte order, before any meaning.
#[test]
fn structures() {
    use ErrorKind as E;
    structure(&Bytes::default(), E::UnexpectedEnd, 0);
    structure(&Bytes::default().field(8, 1).i32(0).field(8, 1).i32(0), E::DuplicateField, 7);
    structure(&Bytes::default().raw(&[9]), E::BadWireType, 0);
    structure(&Bytes::default().list(2, 8, 1).i32(0), E::WrongElementType, 3);
    structure(&Bytes::default().list(2, 99, 1).i32(0), E::BadWireType, 3);
    structure(&Bytes::default().list(2, 12, -1), E::BadLength, 4);
    structure(&Bytes::default().list(2, 12, 5).raw(&[0]), E::UnexpectedEnd, 8);
    structure(&Bytes::default().list(9, 0, 1).raw(&[0]), E::BadWireType, 3);
    structure(&Bytes::default().list(9, 77, 0).raw(&[0]), E::MissingField, 8);
    // A map: count, then key type, then value type.
    structure(&Bytes::default().field(13, 9).raw(&[0, 0]).i32(1).raw(&[0]), E::BadWireType, 3);
    structure(&Bytes::default().field(13, 9).raw(&[3, 9]).i32(1).raw(&[0]), E::BadWireType, 4);
    structure(&Bytes::default().field(13, 9).raw(&[3, 9]).i32(-1), E::BadLength, 5);
    structure(
        &Bytes::default().field(13, 9).raw(&[3, 10]).i32(1).raw(&[0; 8]),
        E::UnexpectedEnd,
        9,
    );

    let good = longs(1, &[0], &[7]).end(false);
    structure(&good.clone().raw(&[0]), E::TrailingBytes, good.at());
    // Meaning is wrong too (size 2 of 1), but comes later.
    structure(&longs(2, &[0], &[7]).end(false).raw(&[0]), E::TrailingBytes, good.at());

    let long = longs(1, &[0], &[7]).raw(&[0, 0]).field(2, 5);
    structure(&long.clone().raw(&[2, 0, 0]), E::BadBool, long.at());
    let constant = Bytes::chunk(1, 1).vector(1, 1, &[0]).member(8).field(2, 1);
    structure(&constant.clone().raw(&[3]).end(true), E::BadBool, constant.at());
    let zones = Bytes::chunk(1, 1).vector(1, 9, &[0]).member(16);
    structure(&zones.clone().list(2, 8, 1).i32(0).end(false), E::WrongElementType, zones.at() + 3);
}

/// Nesting: 64 levels are read, in structs, lists and maps alike.
#[test]
fn depths() {
    let lists = |levels: usize| {
        let inner = [15, 0, 0, 0, 1].repeat(levels - 1);
        Bytes::default().field(15, 9).raw(&inner).raw(&[2, 0, 0, 0, 0, 0])
    };
    let at = lists(64).at() - 6;
    structure(&lists(63), ErrorKind::MissingField, at - 5 + 5);
    structure(&lists(64), ErrorKind::TooDeep, at);
}

/// Meaning of the chunk: size, vectors, limits, columns.
#[test]
fn chunk_level() {
    use ErrorKind as E;
    let at = |offset| (None, None, offset);
    check(&Bytes::default().raw(&[0]), &[LONG], E::MissingField, at(0));
    check(&Bytes::default().i32_field(1, -1).raw(&[0]), &[LONG], E::BadSize, at(3));
    check(&Bytes::default().i32_field(1, 1).raw(&[0]), &[LONG], E::MissingField, at(7));
    check(&Bytes::chunk(65_537, 0).raw(&[0]), &[LONG], E::LimitExceeded, at(3));
    let one = longs(1, &[0], &[7]).end(false);
    check(&one, &[LONG, LONG], E::ColumnCount, at(11));
    check(&one, &[], E::ColumnCount, at(11));
    check(&Bytes::chunk(1, 0).raw(&[0]), &[LONG], E::ColumnCount, at(11));
}

/// A vector's own fields.
#[test]
fn vector_fields() {
    use ErrorKind as E;
    let bare = |fields: Bytes| (fields.clone().raw(&[0, 0]), fields.at());
    let chunk = || Bytes::chunk(1, 1);
    let (bytes, stop) = bare(chunk().i32_field(1, 1));
    meaning(&bytes, LONG, E::MissingField, None, stop);
    let (bytes, stop) = bare(chunk().i32_field(2, 6));
    meaning(&bytes, LONG, E::MissingField, None, stop);
    let (bytes, _) = bare(chunk().i32_field(1, 2).i32_field(2, 99));
    meaning(&bytes, LONG, E::BadSize, None, 18);
    for number in [4, 18, -1] {
        let (bytes, _) = bare(chunk().i32_field(1, 1).i32_field(2, number));
        meaning(&bytes, LONG, E::UnknownVectorType, None, 25);
    }
    let (bytes, _) = bare(chunk().i32_field(1, 1).i32_field(2, 5));
    meaning(&bytes, LONG, E::TypeMismatch, None, 25);
    let (bytes, stop) = bare(chunk().i32_field(1, 1).i32_field(2, 6));
    meaning(&bytes, LONG, E::MissingField, None, stop);
    let (bytes, _) = bare(Bytes::chunk(2, 1).vector(2, 6, &[0]));
    meaning(&bytes, LONG, E::ShortList, None, 33);
    let (bytes, _) = bare(Bytes::chunk(2, 1).vector(2, 6, &[0, 2]));
    meaning(&bytes, LONG, E::BadBool, Some(1), 38);
    let (bytes, stop) = bare(Bytes::chunk(2, 1).vector(2, 6, &[0, 1]));
    meaning(&bytes, LONG, E::MissingField, None, stop);
}

/// Members: the one the type selects must be there, with its values.
#[test]
fn members() {
    use ErrorKind as E;
    let empty = Bytes::chunk(1, 1).vector(1, 6, &[0]).member(3);
    meaning(&empty.clone().end(false), LONG, E::MissingField, None, empty.at());
    let empty = Bytes::chunk(1, 1).vector(1, 6, &[0]).member(11);
    meaning(&empty.clone().end(true), LONG, E::MissingField, None, empty.at());
    let plain = longs(1, &[0], &[7]).end(true);
    meaning(&plain, LONG, E::MissingField, None, plain.at() - 2);
    let short = longs(4, &[0, 1, 0, 0], &[7, 8]);
    meaning(&short.end(false), LONG, E::ShortList, Some(2), 51);
}

/// Values that do not fit.
#[test]
fn values() {
    use ErrorKind as E;
    let bools = Bytes::chunk(3, 1).vector(3, 1, &[0, 1, 0]).member(1).list(1, 2, 3);
    let at = bools.at();
    meaning(&bools.raw(&[1, 9, 2]).end(false), DataType::Boolean, E::BadBool, Some(2), at + 2);

    let ints = Bytes::chunk(2, 1).vector(2, 5, &[1, 0]).member(2).list(1, 8, 2);
    let at = ints.at();
    let ints = ints.i32(1 << 20).i32(128).end(false);
    meaning(&ints, DataType::Int8, E::OutOfRange, Some(1), at + 4);

    let constant = Bytes::chunk(2, 1).vector(2, 5, &[0]).member(11).field(10, 1);
    let at = constant.at();
    let constant = constant.raw(&(1_i64 << 31).to_be_bytes()).end(true);
    meaning(&constant, DataType::Int32, E::OutOfRange, Some(0), at);

    let floats = Bytes::chunk(2, 1).vector(2, 3, &[1, 0]).member(5).list(1, 4, 2);
    let at = floats.at();
    let floats = floats.raw(&1e300_f64.to_be_bytes()).raw(&(-1e300_f64).to_be_bytes()).end(false);
    meaning(&floats, DataType::Float32, E::OutOfRange, Some(1), at + 8);

    let constant = Bytes::chunk(2, 1).vector(2, 3, &[0]).member(12).field(4, 1);
    let at = constant.at();
    let constant = constant.raw(&1e300_f64.to_be_bytes()).end(true);
    meaning(&constant, DataType::Float32, E::OutOfRange, Some(0), at);

    let texts = strings(7, 7, &[0, 1, 0], &[b"\xc3\xa4", b"\xff", b"\xff"]);
    let at = texts.at() - 1;
    let texts = texts.end(false);
    for target in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View] {
        meaning(&texts, target, E::InvalidUtf8, Some(2), at);
    }
    let constant = Bytes::chunk(3, 1).vector(3, 7, &[0]).member(15).field(11, 1).text(b"\xff");
    let at = constant.at() - 1;
    meaning(&constant.end(true), DataType::Utf8, E::InvalidUtf8, Some(0), at);
}

/// Decimals: one form a vector, an exact place in the target.
#[test]
fn decimals() {
    use ErrorKind as E;
    let target = || DataType::Decimal128(38, 0);
    let ten = 10_i128.to_be_bytes();
    // Not all have 16 bytes, so all must be text.
    let mixed = strings(16, 17, &[0, 0], &[&ten, b"12"]);
    let at = mixed.at() - 16 - 6;
    meaning(&mixed.end(false), target(), E::BadDecimal, Some(0), at);
    let text = strings(16, 17, &[0, 0], &[b"12", b"1.5"]);
    let at = text.at() - 3;
    meaning(&text.end(false), target(), E::BadDecimal, Some(1), at);
    let wide = 10_i128.pow(38).to_be_bytes();
    let wide = strings(16, 17, &[0, 1, 0], &[&ten, &wide, &wide]);
    let at = wide.at() - 16;
    meaning(&wide.end(false), target(), E::BadDecimal, Some(2), at);
    let scale = strings(16, 17, &[0], &[&ten]);
    let at = scale.at() + 3;
    meaning(&scale.i32_field(2, 39).end(false), target(), E::BadDecimal, None, at);
    let lost = strings(16, 17, &[0], &[&11_i128.to_be_bytes()]);
    let at = lost.at() - 16;
    meaning(&lost.i32_field(2, 1).end(false), target(), E::BadDecimal, Some(0), at);
}

/// The one value of a constant decimal has the form that its length says.
#[test]
fn constant_decimals() {
    use ErrorKind as E;
    let constant = |body: &[u8]| {
        Bytes::chunk(2, 1).vector(2, 16, &[0]).member(18).field(11, 1).text(body).end(true)
    };
    let schema = || -> SchemaRef {
        let target = DataType::Decimal128(38, 0);
        Arc::new(Schema::new(vec![Field::new("c", target, true)]))
    };
    for body in [&b"12"[..], &12_i128.to_be_bytes()] {
        let chunk = constant(body);
        let (fast, exact) = outcomes(&schema(), &chunk.0);
        assert_eq!(fast, exact);
        let batch = fast.expect("a number");
        let column = batch.column(0).as_any().downcast_ref::<Decimal128Array>().expect("decimals");
        assert_eq!(column.iter().collect::<Vec<_>>(), [Some(12), Some(12)]);
    }
    for body in [&b"1.5"[..], b"12e", b"12e1x", b""] {
        let chunk = Bytes::chunk(2, 1).vector(2, 16, &[0]).member(18).field(11, 1).text(body);
        let at = chunk.at() - body.len();
        meaning(&chunk.end(true), DataType::Decimal128(38, 0), E::BadDecimal, Some(0), at);
    }
}

/// Zones: their list must reach the rows, their text matters only where it is kept.
#[test]
fn zones() {
    use ErrorKind as E;
    let utc = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let instants = |rows: i32, nulls: &[u8]| {
        let bytes = Bytes::chunk(rows, 1).vector(rows, 15, nulls).member(16).list(1, 10, rows);
        bytes.raw(&vec![0; 8 * rows as usize])
    };
    let short = instants(2, &[0, 0]).list(2, 11, 1).text(b"Z");
    let at = short.at() - 9;
    let short = short.end(false);
    meaning(&short, utc(), E::ShortList, Some(1), at);
    meaning(&short, common::zoned(), E::ShortList, Some(1), at);
    let bad = instants(2, &[0, 0]).list(2, 11, 2).text(b"Z").text(b"\xff");
    let at = bad.at() - 1;
    let bad = bad.end(false);
    meaning(&bad, common::zoned(), E::InvalidUtf8, Some(1), at);
    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("c", utc(), true)]));
    assert!(outcomes(&schema, &bad.0).0.is_ok());
    let constant = Bytes::chunk(2, 1).vector(2, 15, &[0]).member(14).field(10, 1).raw(&[0; 8]);
    let constant = constant.field(11, 2).text(b"\xff");
    let at = constant.at() - 1;
    meaning(&constant.end(true), common::zoned(), E::InvalidUtf8, Some(0), at);
}

/// The byte limit counts all columns so far, null ones too, and comes before their values.
#[test]
fn byte_limit() {
    use ErrorKind as E;
    // 65,536 rows of eight bytes are half of the limit; the offsets of texts a quarter.
    let rows = 1 << 16;
    let null = |bytes: Bytes| bytes.i32_field(1, rows).i32_field(2, 14).raw(&[0]);
    let bytes = null(null(null(Bytes::chunk(rows, 3)))).raw(&[0]);
    let third = bytes.at() - 2;
    check(&bytes, &[LONG, LONG, LONG], E::LimitExceeded, (Some(2), None, third));
    let fields = [LONG, LONG, DataType::Null].map(|data_type| Field::new("c", data_type, true));
    let schema: SchemaRef = Arc::new(Schema::new(fields.to_vec()));
    assert!(outcomes(&schema, &bytes.0).0.is_ok());

    let bomb =
        Bytes::chunk(rows, 1).vector(rows, 7, &[0]).member(15).field(11, 1).text(&[0xff; 99]);
    let bomb = bomb.end(true);
    meaning(&bomb, DataType::Utf8, E::LimitExceeded, None, bomb.at() - 2);
}
