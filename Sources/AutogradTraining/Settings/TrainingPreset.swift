/// Sizes and settings that go together. Every one of them can be overridden.
public struct TrainingPreset: Sendable, Equatable {
  public let name: String
  public let summary: String
  /// The preset's settings; what presets have no say in (`Setting.isInPreset`) has its default.
  public let settings: RunSettings

  private init(
    _ name: String, _ summary: String, layers: Int, heads: Int, channels: Int, context: Int, bias: Bool = false,
    dropout: Double = 0, batch: Int, accumulation: Int = 1, steps: Int, warmup: Int = 100, rate: Double,
    finalShare: Double = 0.1
  ) {
    (self.name, self.summary) = (name, summary)
    var settings = RunSettings()
    (settings.layerCount, settings.headCount, settings.channelCount) = (layers, heads, channels)
    (settings.blockSize, settings.hasBias, settings.dropout) = (context, bias, dropout)
    (settings.batchSize, settings.configuration.accumulation) = (batch, accumulation)
    (settings.configuration.maximumSteps, settings.configuration.warmupSteps) = (steps, warmup)
    (settings.configuration.learningRate, settings.configuration.finalRateShare) = (rate, finalShare)
    self.settings = settings
  }

  /// From the smallest to the largest, then those of nanoGPT and GPT-2.
  public static let all = [
    TrainingPreset(
      "tiny", "0.1 M parameters, seconds", layers: 2, heads: 2, channels: 64, context: 32, batch: 16, steps: 1000,
      rate: 2e-3),
    TrainingPreset(
      "small", "0.8 M parameters, about a minute", layers: 4, heads: 4, channels: 128, context: 64, batch: 12,
      steps: 2000, rate: 1e-3),
    TrainingPreset(
      "medium", "2.7 M parameters", layers: 6, heads: 6, channels: 192, context: 128, batch: 16, steps: 3000,
      rate: 1e-3),
    TrainingPreset(
      "large", "19 M parameters", layers: 8, heads: 8, channels: 448, context: 256, batch: 16, steps: 5000,
      rate: 6e-4),
    TrainingPreset(
      "baby", "nanoGPT's recipe for CPUs", layers: 4, heads: 4, channels: 128, context: 64, batch: 12, steps: 2000,
      rate: 1e-3),
    TrainingPreset(
      "char", "nanoGPT's character model, 10.7 M", layers: 6, heads: 6, channels: 384, context: 256, dropout: 0.2,
      batch: 16, accumulation: 4, steps: 5000, rate: 1e-3),
    TrainingPreset(
      "gpt2", "GPT-2's sizes, 124 M with its vocabulary", layers: 12, heads: 12, channels: 768, context: 1024,
      bias: true, batch: 1, accumulation: 8, steps: 10000, warmup: 500, rate: 6e-4),
  ]

  public static func named(_ name: String) -> TrainingPreset? { all.first { $0.name == name } }

  /// What is trained on a text where no preset is named.
  public static let standard = named("small")!

  /// What is trained on the stories where no preset is named: windows that hold most stories whole.
  public static let stories = TrainingPreset(
    "stories", "0.8 M parameters, about a minute", layers: 4, heads: 4, channels: 128, context: 96, batch: 12,
    steps: 1300, rate: 3e-3, finalShare: 1 / 30)
}
