import ArgumentParser
import Base
import LanguageModel
import Text
import Training

/// Exit codes beside 0 (done) and 64 (usage).
enum Exit: Int32 {
  case badInput = 3
  case outOfMemory = 4
  case inputOutput = 5
  case nonFinite = 6
}

/// Prints one line `error: …` and ends the command with the code that belongs to the error.
func fail(_ error: TrainingError) -> ExitCode {
  switch error {
  case .outOfMemory: fail("\(error)", .outOfMemory)
  case .nonFinite: fail("\(error)", .nonFinite)
  case .model(let error): fail(error)
  case .invalidConfiguration, .text: fail("\(error)", .badInput)
  }
}

func fail(_ error: TextError) -> ExitCode { fail("\(error)", .badInput) }

func fail(_ error: LanguageModelError) -> ExitCode {
  if case .file(let file) = error { return fail(file) }
  return fail("\(error)", .badInput)
}

/// What cannot be found or opened was named wrongly; anything else is the disk's doing.
func fail(_ error: FileError) -> ExitCode {
  switch error {
  case .notFound, .isDirectory, .notRegular, .tooLarge: fail("\(error)", .badInput)
  default: fail("\(error)", .inputOutput)
  }
}

func fail(_ sentence: String, _ code: Exit) -> ExitCode {
  Console.writeError("error: \(sentence)")
  return ExitCode(code.rawValue)
}
