//! A channel against scripted peers on loopback: what servers and proxies really send, frame by frame.

mod answers;
mod calls;
mod connections;
mod support;
