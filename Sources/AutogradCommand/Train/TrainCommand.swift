import ArgumentParser
import AutogradBase
import AutogradKernels
import AutogradModels
import AutogradText
import AutogradTraining

struct TrainCommand: ParsableCommand, HasExamples {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Trains a model, on your text or on stories of its own.",
    discussion: """
      Without --data it learns stories of a small grammar, and shows how close it comes to the best.
      """)

  static let examples = [
    "autograd train",
    "autograd train --data book.txt --out runs/book --preset medium --max-iters 5000",
  ]

  @OptionGroup var input: DataOptions

  @Option(help: ArgumentHelp("Where model, log, curve and checkpoints go (runs/ and the text's name).", valueName: "dir"))
  var out: String?

  @OptionGroup(title: "Model") var model: ModelOptions
  @OptionGroup(title: "Training") var training: TrainingOptions
  @OptionGroup(title: "Adapter over a model that is there") var adapter: SettingOptions<AdapterPart>
  @OptionGroup var checkpoints: SettingOptions<SavingPart>
  @OptionGroup var resuming: ResumeOptions

  mutating func run() throws { try reportingErrors { try train() } }

  private func train() throws {
    if resuming.resume != nil { return try resume() }
    let run = try newRun(), place = out ?? defaultOut
    try RunDirectory.requireNoForeignModel(place)
    try requireOther(place, than: run)
    let directory = try RunDirectory(place)
    try run.execute(in: directory, superseded: try startAfresh(in: directory))
  }

  /// A run does not write over the model that it begins with.
  func requireOther(_ place: String, than run: TrainingRun) throws {
    guard let base = run.settings.initFrom.flatMap({ absolutePath($0) }), base == absolutePath(place) else { return }
    throw InputError(sentence: "\(place) is the model that the run begins with; name another folder for it (--out)")
  }

  /// Makes room for a new run, and says so where a finished one goes for it.
  func startAfresh(in directory: RunDirectory) throws -> [String] {
    let superseded = try directory.startAfresh()
    if !superseded.isEmpty {
      Console.writeError(
        "warning: the finished run in \(directory.path) is replaced: its checkpoints go with the first new one, its model "
          + "with the first evaluation. To keep it, stop now and name another folder with --out")
    }
    return superseded
  }

  var defaultOut: String { "runs/" + (input.given?.name ?? "stories") }

  // MARK: A new run

  func newRun() throws -> TrainingRun { try TrainingRun(input.given, try asked(forStories: input.given == nil), training).prepare() }

  func asked(forStories: Bool) throws -> AskedSettings {
    try AskedSettings(model, forStories: forStories, training.given + adapter.given + checkpoints.given)
  }
}
