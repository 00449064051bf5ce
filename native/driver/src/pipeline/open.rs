//! Opening a pipeline: with threads of its own, or all at once where the result is here already.

use std::sync::atomic::Ordering;
use std::sync::Arc;

use crate::error::Failure;
use crate::pipeline::shared::{spawn, End, Pipeline};
use crate::pipeline::source::{Plan, Raw, Source, Stats};
use crate::process::{self, lock, Open};

impl Pipeline {
    /// The stream of a result that is here already, in one response or without any: it is decoded
    /// now, on this thread, and nobody fetches. Returns what to drop with it.
    pub fn decoded(
        plan: Plan,
        stats: Arc<Stats>,
        response: Option<Raw>,
    ) -> Result<(Arc<Self>, Vec<Raw>), Failure> {
        let decoder = plan.decoder()?;
        let pipeline = Self::new(plan, stats, None, decoder);
        let mut state = pipeline.lock();
        let bytes = response.as_ref().map_or(0, |raw| raw.bytes().len());
        pipeline.stats.bytes_received.fetch_add(bytes as u64, Ordering::Relaxed);
        state.raw_bytes = bytes;
        if let Some(raw) = &response {
            pipeline.rpc.get_or_init(|| raw.rpc());
        }
        // No more than one: the first response finds room, whatever the limits, and nothing waits.
        state.raw.extend(response);
        state.raw_end = Some(End::Rows);
        drop(state);
        pipeline.decode_thread();
        let used = std::mem::take(&mut pipeline.lock().used);
        let pipeline = Arc::new(pipeline);
        process::register(&pipeline);
        Ok((pipeline, used))
    }

    /// Start to read *source*; on failure the source was closed and retired.
    pub fn start(
        plan: Plan,
        stats: Arc<Stats>,
        source: Arc<dyn Source>,
    ) -> Result<Arc<Self>, Failure> {
        let decoder = match plan.decoder() {
            Ok(decoder) => decoder,
            Err(failure) => {
                give_up(source);
                return Err(failure);
            }
        };
        let pipeline = Arc::new(Self::new(plan, stats, Some(source.clone()), decoder));

        let shared = pipeline.clone();
        let decode = spawn("e6data-decode", move || shared.decode_thread());
        if let Err(failure) = decode {
            give_up(source);
            return Err(pipeline.about(failure));
        }
        let shared = pipeline.clone();
        let fetched = source.clone();
        let fetch = spawn("e6data-fetch", move || shared.fetch_thread(fetched));
        if let Err(failure) = fetch {
            lock(&pipeline.source).take();
            pipeline.end_raw(End::Failed(failure.clone())); // so that the decode thread ends
            give_up(source);
            return Err(pipeline.about(failure));
        }
        drop(source);
        process::register(&pipeline);
        if process::is_stopped() {
            pipeline.shut_down();
        }
        Ok(pipeline)
    }
}

fn give_up(source: Arc<dyn Source>) {
    source.cancel();
    source.close(Vec::new());
    source.retire(Vec::new());
}
