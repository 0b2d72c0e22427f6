import ArgumentParser
import AutogradBase
import AutogradModels
import AutogradText
import AutogradTraining

/// Exit codes beside 0 (done) and 64 (usage).
enum Exit: Int32, CaseIterable {
  case badInput = 3
  case outOfMemory = 4
  case inputOutput = 5
  case nonFinite = 6
  case locked = 7
  case noCheckpoint = 8

  /// As the help of `autograd` lists it.
  var meaning: String {
    switch self {
    case .badInput: "a file, a text or settings that cannot be used"
    case .outOfMemory: "not enough memory, found out before the first step"
    case .inputOutput: "the disk failed or is full, or the output could not be written"
    case .nonFinite: "a loss or gradient is not a number"
    case .locked: "another process writes to the run's folder"
    case .noCheckpoint: "a checkpoint is damaged, or none can be used"
    }
  }

  /// All codes with their meanings, in order; a signal that ends a run is raised again once the run is saved.
  static var lines: [String] {
    let others: [(Int32, String)] = [(0, "done"), (64, "the command line is wrong")]
    return (others + allCases.map { ($0.rawValue, $0.meaning) }).sorted { $0.0 < $1.0 }.map { code, meaning in
      String(repeating: " ", count: code < 10 ? 3 : 2) + "\(code)  \(meaning)"
    }
  }
}

/// What was wrong with the input, where no module has an error of its own for it.
struct InputError: Error {
  let sentence: String
  var exit = Exit.badInput
}

/// Runs a command; an error becomes one line `error: …` and its exit code.
func reportingErrors(_ body: () throws -> Void) throws {
  do {
    try body()
  } catch {
    guard let code = exitCode(of: error) else { throw error }
    Console.writeError("error: \(sentence(of: error))")
    throw ExitCode(code.rawValue)
  }
}

/// What an error says and, where options of the command are the way out, their names: the modules below know none.
func sentence(of error: any Error) -> String {
  switch error {
  case let error as InputError: error.sentence
  case TrainingError.tooLarge(let shortage): shortage.sentence(naming: shortage.options)
  case TrainingError.checkpoint(let error): sentence(of: error)
  case TrainingError.nonFinite: "\(error) (--learning-rate, --grad-clip)"
  case TrainingError.outOfMemory: "\(error) (--batch-size, --block-size)"
  case let error as TextError where error.isOfTemplate: "\(error) (--chat-template)"
  case GenerationError.text(let error): sentence(of: error)
  case GenerationError.model(.session(.memory)), GenerationError.model(.session(.refused)): "\(error) (--ctx-size, --weights)"
  case GenerationError.model(.session(.cacheType)): "\(error) (--cache-type)"
  case GenerationError.model(let error): sentence(of: error)
  case LanguageModelError.otherBase: "\(error), or say that this is another form of it (--any-base)"
  case GenerationError.tooLong: "\(error) (--max-tokens, --context-shift)"
  case GenerationError.sampling(.biasOutside), GenerationError.sampling(.nothingToDraw): "\(error) (--logit-bias)"
  case CheckpointError.noRun(let path, nil): "\(error): repeat the command that began it, with --out \(path) --resume"
  case CheckpointError.occupied: "\(error) (--resume, --out)"
  case CheckpointError.strayCheckpoint, CheckpointError.foreignLock, CheckpointError.foreignModel, CheckpointError.locked:
    "\(error) (--out)"
  default: "\(error)"
  }
}

extension TextError {
  /// Whether another chat template would do.
  fileprivate var isOfTemplate: Bool {
    switch self {
    case .noTemplate, .templateNeeds, .unknownTemplate: true
    case .inside(_, _, let error): error.isOfTemplate
    default: false
    }
  }
}

extension MemoryShortage {
  /// What would fit, as options.
  fileprivate var options: [String] {
    [
      recomputingFits ? "--recompute as it is" : nil, largestBatch.map { "--batch-size \($0)" },
      largestContext.map { "--block-size \($0)" },
    ].compactMap(\.self)
  }
}

/// The code of an error that the modules below throw; nil leaves it to the argument parser.
func exitCode(of error: any Error) -> Exit? {
  switch error {
  case TrainingError.outOfMemory, TrainingError.tooLarge: .outOfMemory
  case TrainingError.nonFinite: .nonFinite
  case TrainingError.cancelled: .badInput
  case TrainingError.data(_, let error): exitCode(of: error) ?? .inputOutput
  // Its place was tried before the first step: what is wrong with it now is no longer the name.
  case TrainingError.checkpoint(.file): .inputOutput
  case TrainingError.checkpoint(let error): exitCode(of: error)
  case is TrainingError: .badInput
  case CheckpointError.file(let error): exitCode(of: error)
  case CheckpointError.locked: .locked
  case CheckpointError.damaged, CheckpointError.noneVerifies: .noCheckpoint
  case is CheckpointError: .badInput
  case LanguageModelError.file(let error): exitCode(of: error)
  case LanguageModelError.session(let error): error.isOfMemory ? .outOfMemory : .badInput
  case LanguageModelError.noMemory: .outOfMemory
  case is LanguageModelError: .badInput
  case GenerationError.text(let error): exitCode(of: error)
  case GenerationError.model(let error): exitCode(of: error)
  case GenerationError.sampling(.notANumber): .nonFinite
  case is GenerationError: .badInput
  case TextError.file(let error): exitCode(of: error)
  case let error as InputError: error.exit
  case is TextError: .badInput
  // Another name would do where the name is to blame; anything else is the disk's doing.
  case let error as FileError: error.isOfTheName ? .badInput : .inputOutput
  default: nil
  }
}
