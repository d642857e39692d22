//! An answer that is on its way.

use crate::functions::Failed;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// What was asked; to be awaited by any executor, or waited for.
///
/// It was asked when it was made: several answers that are waited for one after the other come at the same time. What is dropped before
/// its answer came is given up: a command that nobody else waits for is ended.
#[must_use = "it may have failed"]
pub struct Answer<T> {
    slot: Arc<Slot>,
    give_up: Option<GiveUp>,
    read: fn(Value) -> Result<T, Failed>,
    of: PhantomData<fn() -> T>,
}

/// Tells who answers that nobody waits any more.
pub(super) type GiveUp = Box<dyn FnOnce() + Send>;

#[derive(Default)]
pub(super) struct Slot {
    state: Mutex<State>,
    there: Condvar,
}

#[derive(Default)]
struct State {
    answer: Option<Result<Value, Failed>>,
    waker: Option<Waker>,
}

impl Slot {
    /// The answer is there.
    pub fn put(&self, answer: Result<Value, Failed>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.answer.get_or_insert(answer);
        self.there.notify_all();
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }
}

impl<T: DeserializeOwned> Answer<T> {
    pub(super) fn new(slot: Arc<Slot>, give_up: GiveUp) -> Self {
        let read = |value| {
            serde_json::from_value(value)
                .map_err(|e| Failed::query(format!("the answer is not understood: {e}")))
        };
        Self { slot, give_up: Some(give_up), read, of: PhantomData }
    }
}

impl<T> Answer<T> {
    /// Waits for it.
    ///
    /// # Errors
    /// Those of what was asked.
    pub fn wait(mut self) -> Result<T, Failed> {
        let slot = self.slot.clone();
        let mut state = slot.state.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = loop {
            match state.answer.take() {
                Some(answer) => break answer,
                None => state = slot.there.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        };
        self.give_up = None;
        (self.read)(answer?)
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        let is_there = self.slot.state.lock().unwrap_or_else(PoisonError::into_inner).answer.is_some();
        if let Some(give_up) = self.give_up.take().filter(|_| !is_there) {
            give_up();
        }
    }
}

impl<T> Future for Answer<T> {
    type Output = Result<T, Failed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let slot = self.slot.clone();
        let mut state = slot.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.answer.take() {
            Some(answer) => {
                self.give_up = None;
                Poll::Ready(answer.and_then(self.read))
            }
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

struct Thread(std::thread::Thread);

impl Wake for Thread {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread: answers need no executor of their own.
///
/// ```
/// assert_eq!(rootlet::functions::block_on(async { 1 + 1 }), 2);
/// ```
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Thread(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
