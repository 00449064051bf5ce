//! The open streams of a connection, by number.

/// One request and its answer.
///
/// ```text
///  request: head is out --> body goes out as the peer's windows allow --> whole_at is known
///  answer:  awaiting head --(informational)*--> head --> data* --> trailers or END_STREAM
/// ```
pub struct Stream {
    pub id: u32,
    /// The answer's head came.
    pub has_head: bool,
    /// What the peer may still send before it hears from us, and what it has used of it.
    pub window: u32,
    pub used: u32,
    /// What we may still send, which a peer's settings can make negative.
    pub allowance: i64,
    pub body: Vec<u8>,
    /// How much of the body stands in what goes out.
    pub passed: usize,
    /// Where in all that goes out the request ends, once all of it stands there.
    pub whole_at: Option<u64>,
}

/// Few of them are open at a time, and their numbers rise.
#[derive(Default)]
pub struct Streams(Vec<Stream>);

impl Streams {
    fn position(&self, id: u32) -> Option<usize> {
        self.0.binary_search_by_key(&id, |stream| stream.id).ok()
    }

    pub fn get(&self, id: u32) -> Option<&Stream> {
        self.position(id).map(|index| &self.0[index])
    }

    pub fn get_mut(&mut self, id: u32) -> Option<&mut Stream> {
        self.position(id).map(|index| &mut self.0[index])
    }

    /// Adds *stream*, whose number is the highest.
    pub fn push(&mut self, stream: Stream) {
        self.0.push(stream);
    }

    pub fn remove(&mut self, id: u32) -> Option<Stream> {
        self.position(id).map(|index| self.0.remove(index))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Stream> {
        self.0.iter()
    }

    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Stream> {
        self.0.iter_mut()
    }
}
