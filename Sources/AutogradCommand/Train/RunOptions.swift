import ArgumentParser
import AutogradBase
import AutogradKernels
import AutogradModels
import AutogradTraining

/// The preset and the sizes of a model.
struct ModelOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Settings that go together: \(TrainingPreset.all.map(\.name).joined(separator: " ")).", valueName: "name"))
  var preset: String?

  @OptionGroup private var settings: SettingOptions<ModelPart>

  var given: GivenSettings { settings.given }

  func resolvedPreset(forStories: Bool) throws -> TrainingPreset {
    guard let preset else { return forStories ? .stories : .standard }
    guard let found = TrainingPreset.named(preset) else {
      let names = TrainingPreset.all.map(\.name).joined(separator: ", ")
      throw ValidationError("there is no preset '\(preset)'; choose one of \(names)")
    }
    return found
  }
}

/// How a model is trained, and by what.
struct TrainingOptions: ParsableArguments {
  @OptionGroup private var settings: SettingOptions<TrainingPart>

  @Option(help: ArgumentHelp("Write a Chrome trace of step 10 here.", valueName: "file"))
  var trace: String?

  @Option(name: [.long, .short], help: ArgumentHelp("Threads (all CPUs).", valueName: "n"))
  var threads: Int?

  var given: GivenSettings { settings.given }

  func validate() throws {
    if let threads, !(1...256).contains(threads) {
      throw ValidationError("--threads must lie between 1 and 256, got \(threads)")
    }
    guard given["schedule"]?.stringValue == "constant" else { return }
    for key in ["min_lr", "lr_decay_iters"] where given.contains(key) {
      let option = "--" + key.split(separator: "_").joined(separator: "-")
      throw ValidationError("\(option) means nothing with --schedule constant, whose rate stays; leave one of them out")
    }
  }

  var backend: Backend { Backend(pool: threads.map { ThreadPool(threads: $0) } ?? .shared) }
}

struct ResumeOptions: ParsableArguments {
  @Option(
    defaultAsFlag: "auto",
    help: ArgumentHelp("Go on from a run or checkpoint, or in --out.", valueName: "auto|path"))
  var resume: String?

  /// The run or checkpoint that `--resume` names; nil where it says `auto`.
  var path: String? { resume == "auto" ? nil : resume }
}

/// What the options of `train` or `plan` come to before anything is read.
struct AskedSettings {
  let preset: TrainingPreset
  /// Whether the preset was named.
  let namesPreset: Bool
  let given: GivenSettings
  /// All values: given, or the preset's.
  private(set) var settings: RunSettings

  init(_ model: ModelOptions, forStories: Bool, _ given: GivenSettings) throws {
    preset = try model.resolvedPreset(forStories: forStories)
    namesPreset = model.preset != nil
    self.given = model.given + given
    if forStories, given["keep_documents_apart"]?.boolValue == true {
      throw ValidationError(
        "--keep-documents-apart means nothing without --data: each window of the stories begins with one; leave it out, "
          + "or name texts")
    }
    if forStories, given.contains("val_fraction") {
      throw ValidationError(
        "--val-fraction means nothing without --data: stories to validate with are told anew; leave it out, or name a text")
    }
    settings = RunSettings(preset, self.given)
    settings.initFrom = settings.initFrom.map { absolutePath($0) ?? $0 }
    settings.tokenizer = settings.tokenizer.map { $0 == TextSource.characters ? $0 : absolutePath($0) ?? $0 }
    if given.contains("epochs"), given.contains("max_iters") {
      throw ValidationError("--epochs and --max-iters both say how long the run is; leave one of them out")
    }
    try refuseAdapterOptions()
    if settings.initFrom != nil, settings.tokenizer != nil {
      throw ValidationError(
        "--tokenizer means nothing with --init-from, whose model has a vocabulary of its own; leave one of them out")
    }
  }

  /// What is said of an adapter means something where one is trained, over a model that is there.
  private func refuseAdapterOptions() throws {
    guard settings.adapterRank != nil else {
      guard let key = Setting.adapter.map(\.key).first(where: { given.contains($0) }) else { return }
      let option = Setting.named(key)?.option ?? key
      throw ValidationError("\(option) means nothing without --lora-rank, which trains an adapter; add it, or leave \(option) out")
    }
    guard settings.initFrom != nil else {
      throw ValidationError("--lora-rank trains an adapter over a model that is there; name that with --init-from")
    }
    for (key, hint) in [
      ("dropout", "the base stays as it is; drop the adapter's inputs with --lora-dropout"),
      ("weights", "an adapter is saved in float32"), ("freeze", "the base stays as it is; choose with --lora-target"),
    ] where given.contains(key) {
      throw ValidationError("--\(key) means nothing with --lora-rank: \(hint)")
    }
  }

  /// The keys of all that somebody asked for: by an option, or by naming a preset.
  var askedKeys: Set<String> {
    given.keys.union(namesPreset ? Setting.all.filter(\.isInPreset).map(\.key) : [])
  }

  /// What is said of answers means nothing where a text has none.
  func refuseAnswerOptions() throws {
    for key in ["chat_template", "mask_prompt"] where given.contains(key) {
      throw ValidationError(
        "\(Setting.named(key)?.option ?? key) means nothing for texts without questions and answers; leave it out, or name "
          + "conversations")
    }
  }

  /// Weights have the sizes that they have: options that ask for others are refused rather than ignored.
  func requireSizes(of model: RunSettings, contextLength: Int, in folder: String) throws {
    var wrong: [String] = []
    for setting in Setting.model where askedKeys.contains(setting.key) && setting.key != "dropout" {
      let own = setting.value(in: model), asked = setting.value(in: settings)
      var misfits = own != asked, itsOwn = "it has \(Setting.text(own))"
      if setting.key == "block_size" {
        (misfits, itsOwn) = (settings.blockSize > contextLength, "its context is \(contextLength)")
      } else if let flag = own.boolValue {
        itsOwn = "it has \(flag ? setting.noun : "none")"
      }
      guard misfits else { continue }
      let source = given.contains(setting.key) ? "" : "--preset \(preset.name), which says "
      wrong.append("\(source)\(setting.phrase(asked)) (\(itsOwn))")
    }
    guard wrong.isEmpty else {
      throw ValidationError(
        "the model in \(folder) contradicts \(wrong.joined(separator: ", ")); leave the options out, or start "
          + "without --init-from")
    }
  }
}
