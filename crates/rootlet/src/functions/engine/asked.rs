//! Who waits for what is done: when nobody does any more, it is ended.
//!
//! Several questions may wait for the same command, since what they have in common is done once ([`Memo`](super::memo::Memo)). So a
//! command is wanted as long as one of those waits that came for it, or for something that it is part of.

use super::{Engine, Result};
use crate::functions::Failed;
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A question; its asker gives it up by [`Engine::give_up`].
#[derive(Clone, Default)]
pub struct Asked(Arc<AtomicBool>);

impl Asked {
    fn is_given_up(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The questions that came for something.
#[derive(Default)]
pub(super) struct Askers(Mutex<Vec<Asked>>);

impl Askers {
    fn list(&self) -> std::sync::MutexGuard<'_, Vec<Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The question that is being answered came for this, too, until what is given is dropped.
    pub fn join(self: &Arc<Self>) -> Joined {
        let asked = CONTEXT.with_borrow(|context| context.asked.clone());
        self.list().push(asked.clone());
        CONTEXT.with_borrow_mut(|context| context.within.push(self.clone()));
        Joined { askers: self.clone(), asked }
    }
}

/// See [`Askers::join`].
pub(super) struct Joined {
    askers: Arc<Askers>,
    asked: Asked,
}

impl Drop for Joined {
    fn drop(&mut self) {
        CONTEXT.with_borrow_mut(|context| context.within.pop());
        let mut list = self.askers.list();
        if let Some(at) = list.iter().position(|one| Arc::ptr_eq(&one.0, &self.asked.0)) {
            list.swap_remove(at);
        }
    }
}

/// What a thread is doing, and for whom.
#[derive(Clone, Default)]
pub(super) struct Context {
    asked: Asked,
    /// What it is part of, the outermost first.
    within: Vec<Arc<Askers>>,
}

thread_local! {
    static CONTEXT: RefCell<Context> = RefCell::default();
    /// Something was ended that this thread has done: what came of it is nobody's answer.
    static ENDED: Cell<bool> = const { Cell::new(false) };
}

impl Context {
    /// That of this thread, for one that goes on with it.
    pub fn here() -> Self {
        CONTEXT.with_borrow(Clone::clone)
    }

    /// Goes on with it, in a new thread.
    pub fn enter(self) {
        CONTEXT.set(self);
    }

    fn is_wanted(&self) -> bool {
        !self.asked.is_given_up()
            || self.within.iter().any(|askers| askers.list().iter().any(|asked| !asked.is_given_up()))
    }
}

/// Whether what this thread made is worth being remembered.
pub(super) fn was_ended() -> bool {
    ENDED.get()
}

pub(super) fn set_ended(ended: bool) {
    ENDED.set(ended);
}

/// Something that is ended when nobody waits for it any more.
pub(in crate::functions) struct Work {
    context: Context,
    /// It was ended, and stays so, whoever comes for it afterwards.
    ended: AtomicBool,
    end: Box<dyn Fn() + Send + Sync>,
}

impl Work {
    fn is_wanted(&self) -> bool {
        !self.ended.load(Ordering::SeqCst) && self.context.is_wanted()
    }

    fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        (self.end)();
    }

    /// Fails where nobody waits any more; what it is, is ended then.
    pub fn check(&self) -> Result<()> {
        if self.is_wanted() {
            return Ok(());
        }
        self.end();
        ENDED.set(true);
        Err(Failed::query("it was given up: nobody waits for it any more"))
    }
}

impl Engine {
    /// Something begins that `end` ends, as long as what is given lives. Whoever begins it checks right after whether it is still wanted.
    pub(in crate::functions) fn work(&self, end: impl Fn() + Send + Sync + 'static) -> Arc<Work> {
        let work =
            Arc::new(Work { context: Context::here(), ended: AtomicBool::new(false), end: Box::new(end) });
        let mut works = self.0.works.lock().unwrap_or_else(PoisonError::into_inner);
        works.retain(|work| work.strong_count() > 0);
        works.push(Arc::downgrade(&work));
        work
    }

    /// Nobody waits for the answer to this question any more: what is done for it, and for no other one, is ended.
    pub fn give_up(&self, asked: &Asked) {
        asked.0.store(true, Ordering::SeqCst);
        let works = self.0.works.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for work in works.iter().filter_map(Weak::upgrade).filter(|work| !work.is_wanted()) {
            work.end();
        }
    }

    /// As [`Engine::ask`], of a question that may be given up.
    ///
    /// # Errors
    /// Those of [`Engine::ask`].
    pub fn ask_as(
        &self,
        asked: &Asked,
        name: &str,
        on: &serde_json::Value,
        with: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<serde_json::Value> {
        CONTEXT.set(Context { asked: asked.clone(), within: Vec::new() });
        self.ask(name, on, with)
    }
}

#[cfg(test)]
mod tests {
    use super::super::memo::{Memo, key};
    use super::*;
    use std::sync::mpsc::channel;

    /// What a question waits for, asked in a thread of its own.
    fn asks(
        asked: &Asked,
        memo: &Arc<Memo<u8>>,
        make: impl FnOnce() -> u8 + Send + 'static,
    ) -> std::thread::JoinHandle<u8> {
        let (context, memo) = (Context { asked: asked.clone(), within: Vec::new() }, memo.clone());
        std::thread::spawn(move || {
            context.enter();
            memo.get_or(key(&"what"), make)
        })
    }

    #[test]
    fn it_is_wanted_as_long_as_one_of_those_waits_that_came_for_it() {
        let (memo, [first, second]) = (Arc::new(Memo::default()), [Asked::default(), Asked::default()]);
        let (begun, begins) = channel();
        let (goes_on, go_on) = channel();
        let one = asks(&first, &memo, move || {
            begun.send(Context::here()).unwrap();
            go_on.recv().unwrap();
            1
        });
        let context = begins.recv().unwrap();
        let two = asks(&second, &memo, || panic!("it is being made"));
        while context.within[0].list().len() < 2 {
            std::thread::yield_now();
        }
        first.0.store(true, Ordering::SeqCst);
        assert!(context.is_wanted());
        second.0.store(true, Ordering::SeqCst);
        assert!(!context.is_wanted());
        goes_on.send(()).unwrap();
        assert_eq!((one.join().unwrap(), two.join().unwrap()), (1, 1));
        assert!(context.within[0].list().is_empty());
    }

    #[test]
    fn what_was_ended_is_made_again() {
        let memo = Arc::new(Memo::default());
        let ended = asks(&Asked::default(), &memo, || {
            set_ended(true);
            1
        });
        assert_eq!(ended.join().unwrap(), 1);
        assert_eq!(asks(&Asked::default(), &memo, || 2).join().unwrap(), 2);
    }
}
