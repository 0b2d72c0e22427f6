import ArgumentParser
import AutogradBase
import AutogradText
import AutogradTraining

/// What a model is trained on, as somebody names it.
struct DataOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A text, JSONL, tokens (.bin), a folder, -; repeatable (stories).",
      valueName: "path"))
  var data: [String] = []

  @Option(
    help: ArgumentHelp("In proportion to what windows are drawn from each --data: 3,1.", valueName: "x,…"),
    transform: DataWeights.init(word:))
  var dataWeights: DataWeights?

  var given: GivenData? { data.isEmpty ? nil : GivenData(paths: data, weights: dataWeights?.values) }

  func validate() throws {
    guard let weights = dataWeights?.values else { return }
    guard data.count > 1 else {
      throw ValidationError("--data-weights means nothing for fewer than two --data; leave it out, or name more texts")
    }
    guard weights.count == data.count else {
      throw ValidationError(
        "--data-weights has \(weights.count) numbers, and there are \(data.count) --data; give one for each, in their order")
    }
  }
}

/// Positive numbers with commas between them.
struct DataWeights: Equatable {
  let values: [Double]

  /// - Throws: What weights may be.
  init(word: String) throws {
    var values: [Double] = []
    for part in word.split(separator: ",", omittingEmptySubsequences: false) {
      guard let value = Double(part), value > 0, value.isFinite, value < 1e12, value > 1e-12 else {
        throw ValidationError(
          "weights are numbers above 0 with commas between them, as in 3,1.5, and \(part.isEmpty ? "nothing" : "'\(part)'") is none")
      }
      values.append(value)
    }
    self.values = values
  }
}

/// Paths, and how much each counts.
struct GivenData {
  let paths: [String]
  var weights: [Double]?

  /// What a run's folder is called after: the first path without its folders and without what follows the first dot.
  var name: String {
    var path = paths[0]
    if path == RunTexts.standardInput { return "stdin" }
    // A pattern is called after the folder that it looks into.
    while path.contains(where: { "*?[".contains($0) }) {
      guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return "texts" }
      path = String(path[..<slash])
    }
    // What `.` and `..` are called.
    if path.split(separator: "/").last.map({ $0 == "." || $0 == ".." }) ?? true { path = absolutePath(path) ?? "texts" }
    let name = path.split(separator: "/").last.map(String.init) ?? "texts"
    return name.split(separator: ".").first.map(String.init) ?? name
  }
}
