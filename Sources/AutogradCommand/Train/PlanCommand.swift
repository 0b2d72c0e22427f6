import ArgumentParser
import AutogradEngine
import AutogradBase
import AutogradKernels
import AutogradModels
import AutogradText
import AutogradTraining

struct PlanCommand: ParsableCommand, HasExamples {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Tells what train would need: give it train's options. Exit code 4: the machine has less.")

  static let examples = [
    "autograd plan --data book.txt --preset large --probe",
    "autograd plan --preset gpt2 --fit 8G",
  ]

  @OptionGroup var input: DataOptions

  @Option(help: ArgumentHelp("Where the model would go.", valueName: "dir"))
  var out: String?

  @Flag(help: "Measure two steps, and tell the time of the run.")
  var probe = false

  @Option(
    help: ArgumentHelp("Print the train command that fits into this much memory: 512M, 2G.", valueName: "size"))
  var fit: MemorySize?

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup(title: "Model") var model: ModelOptions
  @OptionGroup(title: "Training") var training: TrainingOptions
  @OptionGroup(title: "Adapter over a model that is there") var adapter: SettingOptions<AdapterPart>
  @OptionGroup var checkpoints: SettingOptions<SavingPart>

  mutating func run() throws { try reportingErrors { try plan() } }

  private func plan() throws {
    let settings = try AskedSettings(model, forStories: input.given == nil, training.given + adapter.given + checkpoints.given)
    let run = try TrainingRun(input.given, settings, training), planner = run.planner, asked = planner.plan
    let chosen = try fit.map { try fitting(planner, asked, $0) } ?? asked
    let command = fit == nil ? nil : TrainArguments(ForeignNames.translated(try ProgramArguments.read())).command(chosen)
    func show(_ time: StepProbe?) {
      let report = PlanReport(plan: chosen, command: command, time: time)
      Console.showLine(json ? report.json : report.text)
    }
    do {
      if fit == nil { try planner.requireMemory() }
      show(probe ? try StepProbe(run, chosen) : nil)
    } catch TrainingError.tooLarge(let shortage) {
      // What is missing is seen best beside what is needed.
      show(nil)
      throw TrainingError.tooLarge(shortage)
    }
  }

  private func fitting(_ planner: MemoryPlanner, _ asked: TrainingPlan, _ size: MemorySize) throws -> TrainingPlan {
    if let plan = planner.fitting(size.bytes) { return plan }
    throw InputError(
      sentence: "nothing fits \(size.bytes.bytes): weights, gradients and optimiser take "
        + "\((asked.parameters + asked.gradients + asked.optimizerState).bytes), saving \(asked.saving.bytes), "
        + "the process \(asked.process.bytes); make the model or --block-size smaller", exit: .outOfMemory)
  }
}

/// A number of bytes: `4096`, `512M`, `1.5G`.
struct MemorySize: ExpressibleByArgument, Equatable {
  let bytes: Int

  init?(argument: String) {
    let units: [Character: Double] = ["k": 0x1p10, "m": 0x1p20, "g": 0x1p30, "t": 0x1p40]
    var digits = argument.lowercased()
    if digits.hasSuffix("ib") { digits.removeLast(2) } else if digits.hasSuffix("b") { digits.removeLast() }
    var unit = 1.0
    if let last = digits.last, let found = units[last] {
      unit = found
      digits.removeLast()
    }
    guard digits.first?.isNumber == true, let number = Double(digits), number > 0, number * unit < 0x1p60
    else { return nil }
    bytes = Int(number * unit)
  }
}
