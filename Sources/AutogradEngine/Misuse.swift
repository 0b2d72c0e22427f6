/// A caller's mistake: shapes that do not fit, a variable used after its step, a second backward.
///
/// The engine throws it, checked once per operation, in release builds too. Swift's face stops with the
/// sentence, as an array index does. The sentences stand where they are thrown: shapes in `Operations/`, stale
/// variables in `TapeCore.swift` and `Handle.swift`, backward in `TapeCore+Backward.swift`.
public struct Misuse: Error, Sendable, CustomStringConvertible {
  /// The operation that was called, by its name in Swift.
  public let operation: String
  /// What was wrong: what was expected and what came.
  public let problem: String
  /// What to do instead; empty where the problem says it.
  public let hint: String

  public init(_ operation: StaticString, _ problem: String, hint: String = "") {
    self.init(named: "\(operation)", problem, hint: hint)
  }

  init(named operation: String, _ problem: String, hint: String = "") {
    self.operation = operation
    self.problem = problem
    self.hint = hint
  }

  public var description: String { "\(operation): \(problem)" + (hint.isEmpty ? "" : "; \(hint)") }
}

/// Runs `body`; a misuse stops the program with its sentence.
func stopping<Result>(_ body: () throws(Misuse) -> Result) -> Result {
  do {
    return try body()
  } catch {
    // Not `preconditionFailure`: that prints nothing in release builds.
    fatalError(error.description)
  }
}
