import AutogradBase
public import AutogradModels

/// What a run is, apart from how far it has come: settings, model, data. A checkpoint and the beginning of a run hold
/// the same.
///
/// Threads and traces are no part of it: no bit depends on them, and another machine has others.
public struct RunSetup: Sendable {
  public var configuration: TrainingConfiguration
  public let model: DecoderConfiguration
  public let batchSize, blockSize: Int
  /// Whether backward computes activations again: memory and time depend on it, bits do not.
  public var recomputesBlocks: Bool
  /// The model directory, from the root, whose weights the run began with; nil where they were new.
  public let initFrom: String?
  public let data: DataIdentity

  /// The setup of a run that a trainer is made for.
  public init(of trainer: Trainer, data: DataIdentity, initFrom: String?) {
    (configuration, model) = (trainer.configuration, trainer.model.configuration)
    (batchSize, blockSize) = (trainer.data.training.batchSize, trainer.data.training.blockSize)
    recomputesBlocks = trainer.model.recomputesBlocks
    (self.data, self.initFrom) = (data, initFrom)
  }

  /// All but the model, which stands in a file of its own or under a key of its own.
  var members: [JSON.Member] {
    [
      JSON.Member("training", configuration.json), JSON.Member("batch_size", .integer(Int64(batchSize))),
      JSON.Member("block_size", .integer(Int64(blockSize))), JSON.Member("recompute", .bool(recomputesBlocks)),
      JSON.Member("init_from", initFrom.map { .string($0) } ?? .null), JSON.Member("data", data.json),
    ]
  }

  /// The keys `recompute` and `init_from` came later than the others: checkpoints without them are read as those of a
  /// run that kept its activations and began with new weights. Whatever key comes next has to have such a default, too.
  init(_ fields: Fields, model: DecoderConfiguration) throws(RecordProblem) {
    self.model = model
    configuration = try TrainingConfiguration(fields.object("training"))
    batchSize = try fields.count("batch_size", least: 1)
    blockSize = try fields.count("block_size", least: 1)
    recomputesBlocks = try fields.optionalFlag("recompute") ?? false
    initFrom = try fields.optionalString("init_from")
    data = try DataIdentity(fields.object("data"))
  }
}
