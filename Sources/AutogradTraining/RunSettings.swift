import AutogradBase
import AutogradModels

/// All settings of a run under the names of the command's options: to compare those of a checkpoint with those that are
/// asked for.
///
/// `--threads` and `--trace` are not among them, nor in checkpoints: no bit depends on them, and every start has its
/// own.
public struct RunSettings: Sendable, CustomStringConvertible {
  public var configuration: TrainingConfiguration
  public var batchSize, blockSize: Int
  public var layerCount, headCount, channelCount: Int
  public var dropout: Double
  public var hasBias: Bool
  public var recomputesBlocks: Bool
  /// From the root; nil for new weights.
  public var initFrom: String?

  /// Settings as they are asked for; see `init(_:)` for those of a checkpoint.
  public init(
    configuration: TrainingConfiguration, batchSize: Int, blockSize: Int, layerCount: Int, headCount: Int,
    channelCount: Int, dropout: Double, hasBias: Bool, recomputesBlocks: Bool, initFrom: String?
  ) {
    (self.configuration, self.batchSize, self.blockSize) = (configuration, batchSize, blockSize)
    (self.layerCount, self.headCount, self.channelCount) = (layerCount, headCount, channelCount)
    (self.dropout, self.hasBias) = (dropout, hasBias)
    (self.recomputesBlocks, self.initFrom) = (recomputesBlocks, initFrom)
  }

  /// The settings that a run was begun with or a checkpoint made with.
  public init(_ setup: RunSetup) {
    self.init(
      configuration: setup.configuration, batchSize: setup.batchSize, blockSize: setup.blockSize,
      layerCount: setup.model.layerCount, headCount: setup.model.headCount, channelCount: setup.model.channelCount,
      dropout: setup.model.dropout.residual, hasBias: setup.model.hasBias, recomputesBlocks: setup.recomputesBlocks,
      initFrom: setup.initFrom)
  }

  /// By option, dashes written as underscores.
  private var members: [JSON.Member] {
    (configuration.json.objectValue ?? []) + [
      JSON.Member("batch_size", .integer(Int64(batchSize))), JSON.Member("block_size", .integer(Int64(blockSize))),
      JSON.Member("n_layer", .integer(Int64(layerCount))), JSON.Member("n_head", .integer(Int64(headCount))),
      JSON.Member("n_embd", .integer(Int64(channelCount))), JSON.Member("dropout", .number(dropout)),
      JSON.Member("bias", .bool(hasBias)), JSON.Member("recompute", .bool(recomputesBlocks)),
      JSON.Member("init_from", initFrom.map { .string($0) } ?? .null),
    ]
  }

  /// As options.
  public var description: String { members.filter { !$0.value.isNull }.map(RunSettings.phrase).joined(separator: " ") }

  /// A setting as it would be given.
  private static func phrase(_ member: JSON.Member) -> String {
    let name = member.key.split(separator: "_").joined(separator: "-")
    if let flag = member.value.boolValue { return flag ? "--\(name)" : "--no-\(name)" }
    return member.value.isNull ? "no --\(name)" : "--\(name) \(text(member.value))"
  }

  private static func text(_ value: JSON) -> String {
    value.stringValue?.escapedForDisplay ?? value.boolValue.map { $0 ? "yes" : "no" }
      ?? String(decoding: value.serialized(), as: UTF8.self)
  }

  /// Whether a setting may change on the way: it decides when a run ends, tells and saves, or what memory it takes, not
  /// what its steps compute.
  private static func mayChange(_ name: String) -> Bool {
    ["max_iters", "eval_interval", "log_interval", "save_every", "keep", "on_nonfinite", "recompute"].contains(name)
  }

  /// These settings with what may change taken from `asked`, where it was given.
  public func changed(by asked: RunSettings, given: Set<String>) -> RunSettings {
    var result = self
    let other = asked.configuration
    if given.contains("max_iters") { result.configuration.maximumSteps = other.maximumSteps }
    if given.contains("eval_interval") { result.configuration.evaluationInterval = other.evaluationInterval }
    if given.contains("log_interval") { result.configuration.logInterval = other.logInterval }
    if given.contains("save_every") { result.configuration.saveInterval = other.saveInterval }
    if given.contains("keep") { result.configuration.keptCheckpoints = other.keptCheckpoints }
    if given.contains("on_nonfinite") { result.configuration.nonFinitePolicy = other.nonFinitePolicy }
    if given.contains("recompute") { result.recomputesBlocks = asked.recomputesBlocks }
    return result
  }

  /// What `asked` gives and these settings contradict, in words: `--n-layer 2 (not 4)`.
  public func contradictions(to asked: RunSettings, given: Set<String>) -> [String] {
    zip(members, asked.members).compactMap { own, other in
      guard given.contains(own.key), !RunSettings.mayChange(own.key), own.value != other.value else { return nil }
      return "\(RunSettings.phrase(own)) (not \(RunSettings.text(other.value)))"
    }
  }
}
