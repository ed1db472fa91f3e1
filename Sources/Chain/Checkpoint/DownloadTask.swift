import ChoraleBase
import ChoraleTypes

/// What a chain that begins at a checkpoint asks of the thread that has its store.
public enum DownloadTask: Sendable {
    /// Comes first: what is there of an earlier life?
    case open
    /// An answer to `checkpoint`, to be checked and begun with.
    case begin(ChainRequestID, CheckpointAnswer)
    /// An answer to `state_range`, to be checked and written.
    case take(ChainRequestID, DownloadPart, StateRangeAnswer)
    /// Nothing is missing: builds the tries and makes the checkpoint the first height.
    case finish
}

public enum DownloadAnswer: Sendable {
    /// nil: nothing is there.
    case opened(DownloadState?)
    case began(ChainRequestID, Result<DownloadState, CheckpointFault>)
    case taken(ChainRequestID, Result<DownloadStep, StateRangeFault>)
    /// The chain goes on from here.
    case finished(ChainHead)
    /// The disk. The same task may be given again.
    case unavailable(DownloadTask, String)
    /// What was downloaded is not the state: it was deleted.
    case damaged(String)
}
