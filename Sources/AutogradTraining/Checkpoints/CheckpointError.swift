public import AutogradBase
import AutogradModels
import AutogradNeuralNetwork

/// Why a checkpoint could not be written, found or taken up.
public enum CheckpointError: Error, Sendable, CustomStringConvertible {
  case file(FileError)
  /// A checkpoint is not what was written.
  case damaged(path: String, String)
  /// There are checkpoints, and none is what was written: each with its trouble.
  case noneVerifies(folder: String, [String])
  /// Nothing there is a checkpoint.
  case none(path: String)
  /// A run is to go on in a folder that holds none. `finished` is a checkpoint there of a run that had come to its end
  /// when a new one began.
  case noRun(path: String, finished: String? = nil)
  /// A checkpoint that does not lie in a run, so that nobody knows where the run is to go on.
  case strayCheckpoint(path: String)
  /// Something else has the name of a run directory's lock.
  case foreignLock(path: String)
  /// A model that no run left in a directory, where a run would overwrite it.
  case foreignModel(path: String)
  /// A run that did not come to its end has checkpoints in the directory, the newest of this step.
  case occupied(path: String, step: Int)
  /// The run directory belongs to another process.
  case locked(path: String, holder: Int?)
  /// A checkpoint could not be made of the run, or does not fit it.
  case unfit(String)

  public var description: String {
    switch self {
    case .file(let error): "\(error)"
    case .damaged(let path, let problem): "\(path) is damaged: \(problem)"
    case .noneVerifies(let folder, let problems):
      "none of the checkpoints in \(folder) can be used: \(problems.joined(separator: "; ")). "
        + "Restore one from a backup, or move the folder away to start afresh"
    case .none(let path): "\(path) holds no checkpoint; name a folder step-… or a run that has one"
    case .noRun(let path, let finished):
      "\(path) holds no run that could go on; "
        + (finished.map { "\($0) is of a finished run that one without checkpoints replaced: name it to go on from there" }
          ?? "name a run's folder or a checkpoint step-…, or begin the run there")
    case .strayCheckpoint(let path):
      "\(path) lies in no run's folder checkpoints; name the folder in which the run is to go on"
    case .foreignLock(let path):
      "\(path) is no lock of a run, and would be emptied; move it away, or choose another folder"
    case .foreignModel(let path):
      "\(path) holds a model that is no run's, and would be overwritten; choose another folder"
    case .occupied(let path, let step):
      "\(path) holds an unfinished run, saved at step \(step); resume it, choose another folder, or remove "
        + "\(path)/checkpoints"
    case .locked(let path, let holder):
      "\(path) is in use by "
        + (holder.map { "process \($0)" } ?? "another process") + "; wait for it, stop it, or choose another folder"
    case .unfit(let problem): problem
    }
  }
}

extension CheckpointError {
  /// What cannot be read is damaged where a file is missing, cut off or no file; otherwise it is the system's doing.
  init(reading checkpoint: String, _ error: FileError) {
    switch error {
    case .notFound, .isDirectory, .notDirectory, .notRegular, .tooLarge, .truncated:
      self = .damaged(path: checkpoint, "\(error)")
    default: self = .file(error)
    }
  }

  init(reading checkpoint: String, _ error: LanguageModelError) {
    if case .file(let error) = error {
      self.init(reading: checkpoint, error)
    } else {
      self = .damaged(path: checkpoint, "\(error)")
    }
  }

  init(reading checkpoint: String, _ error: ModuleFileError) {
    if case .file(let error) = error {
      self.init(reading: checkpoint, error)
    } else {
      self = .damaged(path: checkpoint, "\(error)")
    }
  }
}
