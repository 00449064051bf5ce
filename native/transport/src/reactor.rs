//! What the one thread that drives a channel sleeps on: sockets, a moment, and a wake-up by others.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Wake;
use std::time::{Duration, Instant};

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use socket2::Socket;

/// Everything that is polled again on every turn, so wants are collected anew on every turn, too.
pub struct Reactor {
    wants: Mutex<Wants>,
    /// Something was woken in the midst of a turn: there is more to do before sleeping.
    is_stirred: AtomicBool,
    is_woken: AtomicBool,
    /// None once closed: whoever still refers to a channel keeps no descriptor of it.
    bell: Mutex<Option<Arc<Bell>>>,
}

/// What somebody sleeps on, and what wakes him.
struct Bell {
    sleeper: UnixStream,
    striker: UnixStream,
}

#[derive(Default)]
struct Wants {
    sockets: Vec<(Arc<Socket>, PollFlags)>,
    at: Option<Instant>,
}

/// Why [`Reactor::sleep`] came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Woken {
    /// Something may have become ready, or its time has come.
    Perhaps,
    /// A signal arrived on this thread.
    BySignal,
}

impl Reactor {
    pub fn new() -> std::io::Result<Self> {
        let (sleeper, striker) = UnixStream::pair()?;
        sleeper.set_nonblocking(true)?;
        striker.set_nonblocking(true)?;
        Ok(Self {
            wants: Mutex::default(),
            is_stirred: AtomicBool::new(false),
            is_woken: AtomicBool::new(false),
            bell: Mutex::new(Some(Arc::new(Bell { sleeper, striker }))),
        })
    }

    /// Close what is slept on; nobody sleeps any more. Called by whoever drives.
    pub fn close(&self) {
        self.begin();
        self.bell.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn bell(&self) -> Option<Arc<Bell>> {
        self.bell.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forget what the last turn wanted.
    pub fn begin(&self) {
        let mut wants = self.wants.lock().unwrap_or_else(PoisonError::into_inner);
        wants.sockets.clear();
        wants.at = None;
        self.is_stirred.store(false, Ordering::Relaxed);
    }

    /// Wake up once *socket* can be read.
    pub fn want_read(&self, socket: &Arc<Socket>) {
        self.want(socket, PollFlags::IN);
    }

    /// Wake up once *socket* can be written.
    pub fn want_write(&self, socket: &Arc<Socket>) {
        self.want(socket, PollFlags::OUT);
    }

    fn want(&self, socket: &Arc<Socket>, flags: PollFlags) {
        let mut wants = self.wants.lock().unwrap_or_else(PoisonError::into_inner);
        match wants.sockets.iter_mut().find(|(known, _)| Arc::ptr_eq(known, socket)) {
            Some((_, known)) => *known |= flags,
            None => wants.sockets.push((socket.clone(), flags)),
        }
    }

    /// Wake up at *moment*, or earlier.
    pub fn want_at(&self, moment: Instant) {
        let mut wants = self.wants.lock().unwrap_or_else(PoisonError::into_inner);
        wants.at = Some(wants.at.map_or(moment, |at| at.min(moment)));
    }

    /// Whether there is more to do in this turn.
    pub fn is_stirred(&self) -> bool {
        self.is_stirred.load(Ordering::Relaxed)
    }

    /// Take another turn before sleeping; called by whoever drives.
    pub fn stir(&self) {
        self.is_stirred.store(true, Ordering::Relaxed);
    }

    /// End the sleep of whoever drives; called by anybody.
    pub fn ring(&self) {
        if self.is_woken.swap(true, Ordering::SeqCst) {
            return;
        }
        if let Some(bell) = self.bell() {
            // A full pipe holds a byte that wakes as well.
            let _ = (&bell.striker).write(&[1]);
        }
    }

    /// Sleep until something that is wanted happens, at most until *until*.
    pub fn sleep(&self, until: Option<Instant>) -> Woken {
        let Some(bell) = self.bell() else { return Woken::Perhaps };
        let wants = std::mem::take(&mut *self.wants.lock().unwrap_or_else(PoisonError::into_inner));
        let until = match (until, wants.at) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        // Rounded up, or the last fraction of a millisecond would be spent spinning.
        let left = until
            .map(|until| until.saturating_duration_since(Instant::now()))
            .map(|left| left.min(Duration::from_secs(3600)));
        let timeout = left.map(|left| Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(3600),
            tv_nsec: left.subsec_nanos().into(),
        });
        let mut polled: Vec<PollFd<'_>> = Vec::with_capacity(wants.sockets.len() + 1);
        polled.push(PollFd::new(&bell.sleeper, PollFlags::IN));
        for (socket, flags) in &wants.sockets {
            polled.push(PollFd::new(&**socket, *flags));
        }
        match poll(&mut polled, timeout.as_ref()) {
            Err(Errno::INTR) => return Woken::BySignal,
            Err(_) => {}
            Ok(_) if polled[0].revents().is_empty() => {}
            Ok(_) => {
                self.is_woken.store(false, Ordering::SeqCst);
                let mut bytes = [0; 64];
                while matches!((&bell.sleeper).read(&mut bytes), Ok(64)) {}
            }
        }
        Woken::Perhaps
    }
}

/// What futures wake: all of them are polled by whoever drives, so nobody has to be roused.
impl Wake for Reactor {
    fn wake(self: Arc<Self>) {
        self.stir();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.stir();
    }
}
