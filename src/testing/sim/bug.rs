//! Bugs that are planted into the outside, one at a time: what a daemon that did a thing wrong would look like from there.
//! A simulator that finds none of them would find no bug of the daemon either.

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The offsets are committed before the alerts that they cover.
    CommitsBeforeProducing,
    /// The offsets are committed after the transaction of their alerts, by themselves.
    CommitsAfterTransaction,
    /// A transaction is committed in halves: its alerts are, its offsets are not, where the answer is lost.
    CommitsByHalves,
    /// A commit that came to nothing passes for one.
    SwallowsLostCommit,
    /// The metadata of offsets is dropped.
    ForgetsMark,
    /// The time of a partition is left out of its metadata.
    ForgetsWatermark,
    /// Metadata goes to the other partition of a shard.
    CrossesMarks,
    /// Offsets go to the other partition of a shard.
    CrossesOffsets,
    /// The file of a snapshot is not synced.
    SkipsFileSync,
    /// The folder of a snapshot is not synced.
    SkipsFolderSync,
    /// A snapshot that was not written passes for one.
    SwallowsFullDisk,
    /// Snapshots that are named are removed with the old ones.
    RemovesNamed,
    /// The state of one snapshot is filed under the offsets of the next.
    MisfilesState,
    /// A byte of the state is another one when it is read back.
    FlipsByte,
    /// The records of transactions that were taken back are read.
    ReadsUncommitted,
    /// Who is no member any more can commit.
    IgnoresGeneration,
    /// Who is shut out by its successor can commit.
    IgnoresEpoch,
    /// A producer's successor leaves its transaction open, and goes on with it.
    KeepsOpenTransaction,
    /// Offsets that are about to be committed are not awaited.
    IgnoresPendingOffsets,
    /// It is not heard that partitions are taken away.
    LosesRevocation,
    /// Reading goes on an offset after the one that was asked for.
    SkipsAfterSeek,
    /// Two messages of a partition change places.
    SwapsMessages,
    /// A partition is said to be at its end that is not.
    EndsTooEarly,
    /// A partition that was paused stays so.
    NeverResumes,
    /// The beginning of a partition passes for its committed offset.
    ForgetsCommitted,
    /// An alert is stored twice.
    RepeatsRecord,
    /// An alert is lost on its way, and nobody is told.
    LosesRecord,
    /// It is not said behind the repartition topic how far time has come.
    LosesMarks,
    /// An event does not come to the repartition topic where it is sent there again.
    LosesForward,
    /// An event comes to another partition of the repartition topic.
    MisplacesForward,
}

impl Bug {
    /// Whether it can only show where rules are judged behind the repartition topic.
    pub(super) fn is_apart(self) -> bool {
        matches!(self, Bug::LosesMarks | Bug::LosesForward | Bug::MisplacesForward)
    }

    /// All of them.
    pub const ALL: [Bug; 30] = [
        Bug::CommitsBeforeProducing,
        Bug::CommitsAfterTransaction,
        Bug::CommitsByHalves,
        Bug::SwallowsLostCommit,
        Bug::ForgetsMark,
        Bug::ForgetsWatermark,
        Bug::CrossesMarks,
        Bug::CrossesOffsets,
        Bug::SkipsFileSync,
        Bug::SkipsFolderSync,
        Bug::SwallowsFullDisk,
        Bug::RemovesNamed,
        Bug::MisfilesState,
        Bug::FlipsByte,
        Bug::ReadsUncommitted,
        Bug::IgnoresGeneration,
        Bug::IgnoresEpoch,
        Bug::KeepsOpenTransaction,
        Bug::IgnoresPendingOffsets,
        Bug::LosesRevocation,
        Bug::SkipsAfterSeek,
        Bug::SwapsMessages,
        Bug::EndsTooEarly,
        Bug::NeverResumes,
        Bug::ForgetsCommitted,
        Bug::RepeatsRecord,
        Bug::LosesRecord,
        Bug::LosesMarks,
        Bug::LosesForward,
        Bug::MisplacesForward,
    ];
}
