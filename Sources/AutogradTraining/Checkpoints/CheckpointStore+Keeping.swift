public import AutogradBase

// Which checkpoints stay when there is a new one: the newest, as many as were asked for, and the best.
extension CheckpointStore {
  /// The checkpoint with the least validation loss, the oldest of equals, among those whose step was evaluated; nil
  /// where none was. Reads records alone: whether the other files are good is not asked.
  public func best() throws(FileError) -> Entry? {
    var best: (entry: Entry, loss: Double)?
    for entry in try entries() {
      let record = try? Checkpoint.record(path(entry), fileSystem)
      guard let loss = record?.validationLoss, loss.isFinite else { continue }
      if best.map({ loss < $0.loss }) ?? true { best = (entry, loss) }
    }
    return best?.entry
  }

  /// Removes all but the newest `count` and the best.
  ///
  /// - Throws: The first failure; what could not be removed stays until the next time.
  func prune(keeping count: Int) throws(FileError) {
    try prune(keeping: count, best: try best())
  }

  /// Removes all but the newest `count` and `best`.
  func prune(keeping count: Int, best: Entry?) throws(FileError) {
    for entry in try entries().dropLast(count) where entry != best { try remove(entry) }
  }
}
