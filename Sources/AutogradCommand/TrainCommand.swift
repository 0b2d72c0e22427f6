import ArgumentParser
import AutogradBase
import AutogradKernels
import AutogradModels
import AutogradText
import AutogradTraining

struct TrainCommand: ParsableCommand, HasExamples {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Trains a GPT, on your text or on stories of its own.",
    discussion: """
      Without --data it learns stories of a small grammar in about a minute, and shows how close it
      comes to the best possible. Writes a Hugging Face model, log, curve and checkpoints to --out.
      """)

  static let examples = [
    "autograd train",
    "autograd train --data book.txt --out runs/book --preset medium --max-iters 5000",
  ]

  @Option(help: ArgumentHelp("The text to learn, UTF-8 (default: stories).", valueName: "file"))
  var data: String?

  @Option(help: ArgumentHelp("Where the model goes (default: runs/ and the text's name).", valueName: "dir"))
  var out: String?

  @OptionGroup(title: "Model") var model: ModelOptions
  @OptionGroup(title: "Training") var training: TrainingOptions
  @OptionGroup var checkpoints: CheckpointOptions
  @OptionGroup var resuming: ResumeOptions

  mutating func run() throws { try reportingErrors { try train() } }

  private func train() throws {
    if resuming.resume != nil { return try resume() }
    let run = try newRun()
    let directory = try RunDirectory(out ?? defaultOut)
    try run.execute(in: directory, superseded: try directory.startAfresh())
  }

  var defaultOut: String { "runs/" + (data.map(TrainCommand.baseName) ?? "stories") }

  // MARK: A new run

  func newRun() throws -> TrainingRun {
    let preset = try model.resolvedPreset(forStories: data == nil)
    return try PreparedRun(data: data, model: model, training: training, configuration: configuration(preset)).run()
  }

  func configuration(_ preset: TrainingPreset) -> TrainingConfiguration {
    var configuration = training.configuration(preset)
    checkpoints.apply(to: &configuration)
    return configuration
  }

  /// The name of a file without its folders and without what follows the first dot.
  private static func baseName(_ path: String) -> String {
    let name = path.split(separator: "/").last.map(String.init) ?? path
    return name.split(separator: ".").first.map(String.init) ?? name
  }
}

struct ModelOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Settings that go together: \(TrainingPreset.all.map(\.name).joined(separator: " ")).", valueName: "name"))
  var preset: String?

  @Option(name: .customLong("n-layer"), help: ArgumentHelp("Layers (preset small: 4).", valueName: "n"))
  var nLayer: Int?

  @Option(name: .customLong("n-head"), help: ArgumentHelp("Attention heads (4).", valueName: "n"))
  var nHead: Int?

  @Option(name: .customLong("n-embd"), help: ArgumentHelp("Channels, a multiple of the heads (128).", valueName: "n"))
  var nEmbd: Int?

  @Option(help: ArgumentHelp("Tokens of context (64); also --ctx-size.", valueName: "n"))
  var blockSize: Int?

  @Option(help: ArgumentHelp("Share of activations dropped in training (0).", valueName: "p"))
  var dropout: Double?

  @Flag(inversion: .prefixedNo, help: "Biases in linear layers and norms (no).")
  var bias: Bool?

  /// As `TrainingOptions.named`.
  var named: [(name: String, value: Any?)] {
    [
      ("n_layer", nLayer), ("n_head", nHead), ("n_embd", nEmbd), ("block_size", blockSize), ("dropout", dropout),
      ("bias", bias),
    ]
  }

  /// What a preset settles.
  static let namesInPreset = [
    "n_layer", "n_head", "n_embd", "block_size", "dropout", "bias", "batch_size", "grad_accum", "max_iters",
    "warmup_iters", "learning_rate", "min_lr",
  ]

  func resolvedPreset(forStories: Bool) throws -> TrainingPreset {
    guard let preset else { return forStories ? .stories : .standard }
    guard let found = TrainingPreset.named(preset) else {
      let names = TrainingPreset.all.map(\.name).joined(separator: ", ")
      throw ValidationError("there is no preset '\(preset)'; choose one of \(names)")
    }
    return found
  }

  // MARK: For a model that exists

  /// The share to drop in training: as given, or as a named preset has it; nil where the model's own counts.
  func dropout(_ preset: TrainingPreset) -> Double? { dropout ?? (self.preset == nil ? nil : preset.dropout) }

  /// As `dropout`: windows may be shorter than the model's context.
  func blockSize(_ preset: TrainingPreset) -> Int? { blockSize ?? (self.preset == nil ? nil : preset.contextLength) }

  /// Weights have the sizes that they have: options that ask for others are refused rather than ignored.
  func requireSizes(_ sizes: DecoderConfiguration, of folder: String, _ preset: TrainingPreset) throws {
    var wrong: [String] = []
    func check<Value: Equatable>(
      _ given: Value?, _ presets: Value, _ own: Value, _ what: String, _ option: (Value) -> String
    ) {
      if let given, given != own { wrong.append(option(given) + " (it has \(what))") }
      if given == nil, let name = self.preset, presets != own {
        wrong.append("--preset \(name), which says \(option(presets)) (it has \(what))")
      }
    }
    check(nLayer, preset.layerCount, sizes.layerCount, "\(sizes.layerCount)") { "--n-layer \($0)" }
    check(nHead, preset.headCount, sizes.headCount, "\(sizes.headCount)") { "--n-head \($0)" }
    check(nEmbd, preset.channelCount, sizes.channelCount, "\(sizes.channelCount)") { "--n-embd \($0)" }
    check(bias, preset.hasBias, sizes.hasBias, sizes.hasBias ? "biases" : "none") { $0 ? "--bias" : "--no-bias" }
    if let length = blockSize(preset), length > sizes.contextLength {
      let source = blockSize == nil ? "--preset \(preset.name), which says " : ""
      wrong.append("\(source)--block-size \(length) (its context is \(sizes.contextLength))")
    }
    guard wrong.isEmpty else {
      throw ValidationError(
        "the model in \(folder) contradicts \(wrong.joined(separator: ", ")); leave the options out, or start "
          + "without --init-from")
    }
  }

  /// A new model that has no weights yet.
  func network(_ preset: TrainingPreset, vocabularySize: Int) throws -> Decoder<Float> {
    let headCount = nHead ?? preset.headCount, channelCount = nEmbd ?? preset.channelCount
    let configuration: DecoderConfiguration
    do {
      configuration = try DecoderConfiguration(
        vocabularySize: vocabularySize, contextLength: blockSize ?? preset.contextLength,
        layerCount: nLayer ?? preset.layerCount, headCount: headCount, channelCount: channelCount,
        hasBias: bias ?? preset.hasBias, dropout: dropout ?? preset.dropout)
    } catch {
      guard headCount > 0, channelCount % headCount != 0 else { throw error }
      throw InputError(sentence: "\(error) (--n-embd, --n-head)")
    }
    return Decoder(configuration)
  }
}
