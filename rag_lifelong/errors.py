"""What can go wrong, and what to do about it.

    LifelongError
    ├── KnowledgeBaseMissing     there is none at that path
    ├── KnowledgeBaseUnusable    damaged, newer than this program, or not one at all
    │   └── StaleIndex           an index names a passage that no longer lives
    ├── KnowledgeBaseBusy        another process holds the write lock for too long
    ├── EmbedderMismatch         built with another embedder
    ├── EmbedderUnusable         its weights are missing, or not the ones named
    ├── RerankerUnusable         the cross-encoder is missing, or not one
    ├── ModelUnusable            the language model cannot be loaded or reached
    │   └── AnswerCut            it broke off in the middle of its answer
    ├── KeyringUnusable          this system keeps no keys, or its keyring is locked
    ├── BackupUnusable           damaged, newer than this program, or not a backup
    ├── TargetUnusable           a place to write to is taken already, or cannot be written to
    ├── StorageFull              no room left on the disk
    ├── NoteUnusable             empty, too long, or not there: nothing to remember, or to take out
    ├── BadSetting               a setting has an unknown name or an unusable value
    ├── TooManyGone              a folder lost so much that it is not believed
    ├── ServiceUnusable          what starts services is missing, or refused
    ├── FolderFollowed           another process follows that folder
    ├── NotConfirmed             what cannot be undone was not agreed to
    ├── NothingToUndo            no version that could be taken back
    ├── NothingToEvaluate        no passage that could be asked for
    ├── NoSuchPath               no file or folder there, on disk or in the knowledge base
    ├── NoSuchVersion            no version by that number or date
    ├── NoSuchChat               no conversation by that number
    ├── NoSuchAdapter            no adapter by that number
    ├── AdapterUnusable          an adapter is in a state that does not allow it
    │   └── SourcesChanged       what it is made from does not live or hold any more
    ├── DistillingAlready        another process makes an adapter of this knowledge base
    ├── NothingToDistil          no passage that an adapter could be made of
    ├── Stopped                  long work was asked to stop; what was done is kept
    └── NothingAsked             a conversation without a question yet

The message is one line for people: what, with which value, and what to do.
A caller's mistake is ValueError or TypeError.
"""

from __future__ import annotations


class LifelongError(Exception):
    """Something a user can cause, and can mend; str(error) says how."""


class KnowledgeBaseMissing(LifelongError):
    """There is no knowledge base at that path."""


class KnowledgeBaseUnusable(LifelongError):
    """The knowledge base is damaged, newer than this program, or not one."""


class StaleIndex(KnowledgeBaseUnusable):
    """An index names a passage that does not live at the version asked about."""


class KnowledgeBaseBusy(LifelongError):
    """Another process holds the write lock."""


class EmbedderMismatch(LifelongError):
    """The knowledge base was built with another embedder."""


class EmbedderUnusable(LifelongError):
    """The embedder's weights are missing, or are not the ones named."""


class RerankerUnusable(LifelongError):
    """The cross-encoder is missing on this machine, or cannot be loaded, or is not one."""


class ModelUnusable(LifelongError):
    """The language model cannot be loaded or reached."""


class AnswerCut(ModelUnusable):
    """The language model broke off in the middle of its answer; what came before it stands."""


class KeyringUnusable(LifelongError):
    """This system has no keyring, or it is locked."""


class BackupUnusable(LifelongError):
    """The backup is damaged, newer than this program, or not one."""


class TargetUnusable(LifelongError):
    """A file or folder to write to is there already, or cannot be written to."""


class StorageFull(LifelongError):
    """There is no room left on the disk."""


class NoteUnusable(LifelongError):
    """A note or preference cannot be kept as it is, or is not there."""


class BadSetting(LifelongError):
    """A setting has an unknown name or an unusable value."""


class TooManyGone(LifelongError):
    """So many files are gone from a folder that it may be an absent drive."""


class ServiceUnusable(LifelongError):
    """The program that starts services is missing, or has refused."""


class FolderFollowed(LifelongError):
    """Another process follows that folder."""


class NotConfirmed(LifelongError):
    """What cannot be undone was not agreed to."""


class NothingToUndo(LifelongError):
    """There is no version that could be taken back."""


class NothingToEvaluate(LifelongError):
    """The knowledge base holds no passage that could be asked for."""


class NoSuchPath(LifelongError):
    """No file or folder there, on disk or in the knowledge base."""


class NoSuchVersion(LifelongError):
    """No version by that number or date."""


class NoSuchChat(LifelongError):
    """No conversation by that number."""


class NoSuchAdapter(LifelongError):
    """No adapter by that number."""


class AdapterUnusable(LifelongError):
    """The adapter is in a state that does not allow it."""


class SourcesChanged(AdapterUnusable):
    """A passage that the adapter is made from does not live, or its document does not hold, any more."""


class NothingToDistil(LifelongError):
    """No passage that an adapter could be made of."""


class Stopped(LifelongError):
    """Long work was asked to stop; what was done is kept, and is gone on with."""


class DistillingAlready(LifelongError):
    """Another process makes an adapter of the same knowledge base."""


class NothingAsked(LifelongError):
    """The conversation has no question yet."""


class NoSuchConflict(LifelongError):
    """No two documents are meant, or there is nothing to decide of them."""
