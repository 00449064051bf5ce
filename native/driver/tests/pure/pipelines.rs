//! The pipeline: order, failures, cancelling, turns.

use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;

use crate::error::{Failure, Status};
use crate::pipeline::{Pipeline, StreamOptions};
use crate::scripted::{
    both_ways, chunk, open, open_with, options, response, rows, settled, Act, Script, BY_TURNS,
};

#[test]
fn all_rows_arrive_and_the_source_is_closed_once() {
    both_ways(|| {
        let acts = (0..50).map(|n| Act::Give(response(&[chunk(n * 10..n * 10 + 10)]))).collect();
        let (pipeline, script) = open(acts, 500);
        assert_eq!(rows(&pipeline), Ok(500));
        assert_eq!(pipeline.next(None), Ok(None));
        settled(&script);
        assert_eq!(script.cancels.load(Ordering::SeqCst), 0);
        assert!(!pipeline.cancel("too late"));
    });
}

#[test]
fn a_failure_repeats() {
    both_ways(|| {
        // From the first response on it is known which call brings them.
        for (acts, rows, rpc) in [
            (vec![Act::Give(response(&[chunk(0..3)])), Act::Fail], Some(3), "fetch"),
            (vec![Act::Fail], None, "first fetch"),
        ] {
            fails_for_good(acts, rows, rpc);
        }
    });
}

fn fails_for_good(acts: Vec<Act>, rows: Option<usize>, rpc: &str) {
    let (pipeline, script) = open(acts, -1);
    if let Some(rows) = rows {
        assert_eq!(pipeline.next(None).unwrap().unwrap().num_rows(), rows);
    }
    for _ in 0..3 {
        let failure = pipeline.next(None).unwrap_err();
        assert_eq!(failure.status, Status::Io);
        assert_eq!(failure.sqlstate.as_ref(), Some(b"08006"));
        let details = [("query_id", "q"), ("rpc", rpc), ("retryable", "false")];
        let details = details.map(|(key, value)| (format!("e6data.{key}"), value.into()));
        assert_eq!(failure.details, details);
    }
    settled(&script);
}

#[test]
fn a_panic_of_the_source_is_a_failure() {
    both_ways(|| {
        let (pipeline, script) = open(vec![Act::Panic], -1);
        assert_eq!(pipeline.next(None).unwrap_err().status, Status::Internal);
        settled(&script);
    });
}

#[test]
fn a_blocked_source_is_released_and_cancelled() {
    both_ways(|| {
        let (pipeline, script) = open(vec![Act::Block], -1);
        pipeline.release();
        settled(&script);
        assert!(script.cancels.load(Ordering::SeqCst) <= 1);
    });
}

#[test]
fn a_tick_may_stop_the_wait() {
    both_ways(|| {
        let (pipeline, script) = open(vec![Act::Block], -1);
        let tick = || Some(Failure::new(Status::Cancelled, "interrupted"));
        let failure = pipeline.next(Some((Duration::from_millis(1), &tick))).unwrap_err();
        assert!(failure.message.contains("interrupted"));
        assert_eq!(pipeline.next(None).unwrap_err(), failure);
        settled(&script);
    });
}

#[test]
fn a_broken_chunk_takes_its_response_along_and_ends_the_fetch() {
    both_ways(|| {
        let broken = response(&[chunk(3..5), vec![0xff], chunk(5..7)]);
        let acts = vec![Act::Give(response(&[chunk(0..3)])), Act::Give(broken), Act::Block];
        let (pipeline, script) = open(acts, -1);
        let failure = rows(&pipeline).unwrap_err();
        assert!(failure.message.contains("could not decode chunk 3 of query 'q'"), "{failure:?}");
        settled(&script);
    });
}

/// The values of all batches that come, and how the stream ends.
fn values(acts: Vec<Act>, options: StreamOptions) -> (Vec<i64>, Result<(), Failure>) {
    let (pipeline, script) = open_with(acts, -1, options);
    let mut values = Vec::new();
    let end = loop {
        match pipeline.next(None) {
            Ok(Some(batch)) => values.extend(batch.column(0).as_primitive::<Int64Type>().values()),
            Ok(None) => break Ok(()),
            Err(failure) => break Err(failure),
        }
    };
    pipeline.release();
    settled(&script);
    (values, end)
}

/// Options in which every response is decoded on one thread, or every one of several chunks on two.
fn threads(is_parallel: bool, batch_rows: usize, batch_bytes: usize) -> StreamOptions {
    let parallel_bytes = if is_parallel { 1 } else { usize::MAX };
    StreamOptions { batch_rows, batch_bytes, parallel_bytes, ..options() }
}

#[test]
fn two_threads_give_the_rows_in_their_order() {
    both_ways(|| {
        // Responses of so many chunks, of unequal sizes, some empty.
        for counts in [&[1, 2, 3, 8][..], &[5, 1, 4], &[2, 2, 2, 2, 2], &[9, 7]] {
            for (batch_rows, batch_bytes) in [(0, 0), (7, 1 << 20), (1000, 100), (1000, 1 << 20)] {
                let mut end = 0;
                let mut acts = Vec::new();
                for (number, &count) in counts.iter().enumerate() {
                    let mut chunks = Vec::new();
                    for index in 0..count {
                        let start = end;
                        end += (index * 5 + number as i64 * 3) % 11;
                        chunks.push(chunk(start..end));
                    }
                    acts.push(Act::Give(response(&chunks)));
                }
                let (found, ended) = values(acts, threads(true, batch_rows, batch_bytes));
                assert_eq!(found, (0..end).collect::<Vec<_>>(), "{counts:?} {batch_rows}");
                assert_eq!(ended, Ok(()));
            }
        }
    });
}

#[test]
fn two_threads_fail_as_one_does() {
    both_ways(|| {
        // Which chunks of the second response are broken: the first of them is told, in either half.
        for broken in [&[0][..], &[2], &[3], &[5], &[1, 4], &[4, 5], &[0, 1, 2, 3, 4, 5]] {
            for (batch_rows, batch_bytes) in [(0, 0), (7, 1 << 20), (1000, 100), (1000, 1 << 20)] {
                let results = [false, true].map(|is_parallel| {
                    let mut chunks: Vec<_> = (1..7).map(|n| chunk(n * 10..n * 10 + 10)).collect();
                    for &index in broken {
                        let length = chunks[index].len();
                        chunks[index].truncate(length - 1 - index);
                    }
                    let acts = vec![
                        Act::Give(response(&[chunk(0..4), chunk(4..10)])),
                        Act::Give(response(&chunks)),
                        Act::Give(response(&[chunk(70..80)])),
                    ];
                    values(acts, threads(is_parallel, batch_rows, batch_bytes))
                });
                let [(found, ended), _] = &results;
                assert_eq!(found, &(0..10).collect::<Vec<_>>(), "{broken:?} {batch_rows}");
                let place = format!("could not decode chunk {} of query", broken[0] + 3);
                assert!(ended.as_ref().unwrap_err().message.contains(&place), "{ended:?}");
                assert_eq!(results[0], results[1]);
            }
        }
    });
}

#[test]
fn missing_rows_are_told_after_the_rows() {
    both_ways(|| {
        let (pipeline, script) = open(vec![Act::Give(response(&[chunk(0..3)]))], 4);
        assert_eq!(pipeline.next(None).unwrap().unwrap().num_rows(), 3);
        assert_eq!(pipeline.next(None).unwrap_err().status, Status::InvalidData);
        settled(&script);
    });
}

#[test]
fn a_race_of_reading_and_cancelling_always_ends() {
    both_ways(|| {
        for number in 0..200 {
            let acts = (0..20).map(|n| Act::Give(response(&[chunk(n..n + 1)]))).collect();
            let (pipeline, script) = open(acts, 20);
            let reader = pipeline.clone();
            let reading = std::thread::spawn(move || rows(&reader));
            if number % 2 == 0 {
                std::thread::yield_now();
            }
            pipeline.cancel("it was cancelled");
            match reading.join().unwrap() {
                Ok(count) => assert_eq!(count, 20),
                Err(failure) => assert_eq!(failure.status, Status::Cancelled),
            }
            pipeline.release();
            settled(&script);
        }
    });
}

/// The result whose first response has come, and whose second does not, read by turns.
fn open_late() -> (Arc<Pipeline>, Arc<Script>) {
    BY_TURNS.set(true);
    let (pipeline, script) = open(vec![Act::Give(response(&[chunk(0..3)])), Act::Late], -1);
    assert_eq!(pipeline.next(None).unwrap().unwrap().num_rows(), 3);
    (pipeline, script)
}

#[test]
fn the_next_response_is_asked_for_before_one_is_decoded() {
    BY_TURNS.set(true);
    let acts = (0..5).map(|n| Act::Give(response(&[chunk(n..n + 1)]))).collect();
    let (pipeline, script) = open(acts, 5);
    assert_eq!(rows(&pipeline), Ok(5));
    settled(&script);
    assert_eq!(script.begun.load(Ordering::SeqCst), 5);
}

#[test]
fn a_turn_ends_when_the_stream_is_stopped() {
    for number in 0..50 {
        let (pipeline, script) = open_late();
        let reader = pipeline.clone();
        let reading = std::thread::spawn(move || reader.next(None));
        if number % 2 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(pipeline.cancel("it was cancelled"));
        assert_eq!(reading.join().unwrap().unwrap_err().status, Status::Cancelled);
        settled(&script);
        assert_eq!(script.cancels.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn a_tick_may_stop_a_turn() {
    let (pipeline, script) = open_late();
    let tick = || Some(Failure::new(Status::Cancelled, "interrupted"));
    let failure = pipeline.next(Some((Duration::from_millis(1), &tick))).unwrap_err();
    assert!(failure.message.contains("interrupted"));
    settled(&script);
}

#[test]
fn two_who_read_by_turns_share_the_rows() {
    BY_TURNS.set(true);
    for _ in 0..50 {
        let acts = (0..40).map(|n| Act::Give(response(&[chunk(n..n + 1)]))).collect();
        let (pipeline, script) = open(acts, 40);
        let reader = pipeline.clone();
        let reading = std::thread::spawn(move || rows(&reader));
        let here = rows(&pipeline).unwrap();
        assert_eq!(here + reading.join().unwrap().unwrap(), 40);
        settled(&script);
    }
}

#[test]
fn rows_that_wait_for_company_come_while_the_next_response_is_late() {
    BY_TURNS.set(true);
    let few = (0..3).map(|n| Act::Give(response(&[chunk(n..n + 1)])));
    let (pipeline, script) = open(few.chain([Act::Late]).collect(), -1);
    let counts = [(); 2].map(|()| pipeline.next(None).unwrap().unwrap().num_rows());
    assert_eq!(counts, [1, 2]);
    pipeline.release();
    settled(&script);
}
