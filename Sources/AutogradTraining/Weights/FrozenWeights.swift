import AutogradBase
import AutogradEngine
import AutogradModels
import AutogradNeuralNetwork

/// Names of weights that training leaves as they are: patterns, in which `*` stands for anything.
public struct FrozenWeights: Sendable, Equatable, CustomStringConvertible {
  public let patterns: [String]

  /// Patterns with commas between them; nil where one is empty.
  public init?(_ text: String) {
    let patterns = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    guard patterns.allSatisfy({ !$0.isEmpty }) else { return nil }
    self.patterns = patterns
  }

  public var description: String { patterns.joined(separator: ",") }

  /// Whether the whole of a name is what a pattern says.
  ///
  /// - Complexity: O(name · pattern).
  static func matches(_ name: String, _ pattern: String) -> Bool {
    let name = Array(name.utf8), pattern = Array(pattern.utf8), star = UInt8(ascii: "*")
    // Where the last star stood, and what of the name it has taken.
    var place = 0, at = 0, resume: (pattern: Int, name: Int)?
    while place < name.count {
      if at < pattern.count, pattern[at] == star {
        resume = (at, place)
        at += 1
      } else if at < pattern.count, pattern[at] == name[place] {
        (place, at) = (place + 1, at + 1)
      } else if let before = resume {
        (place, at) = (before.name + 1, before.pattern + 1)
        resume = (before.pattern, before.name + 1)
      } else {
        return false
      }
    }
    return pattern[at...].allSatisfy { $0 == star }
  }
}

extension WholeModel {
  /// Stops training of the weights that patterns name, by the names that the family's files have: no gradient and no
  /// moments of them exist.
  ///
  /// - Throws: `invalidConfiguration` where a pattern names none, where one names a part of a weight that is in one with
  ///   others here, and where nothing would be left to train.
  func freezeWeights(_ frozen: FrozenWeights) throws(TrainingError) {
    let configuration = model.configuration
    var unused = frozen.patterns
    for tensor in model.tensors {
      let names = configuration.family.stored(tensor.description, configuration).map(\.name)
      let isFrozen = names.map { name in frozen.patterns.contains { FrozenWeights.matches(name, $0) } }
      unused.removeAll { pattern in names.contains { FrozenWeights.matches($0, pattern) } }
      guard isFrozen.contains(true) else { continue }
      guard !isFrozen.contains(false) else {
        throw .invalidConfiguration(
          "\(names.joined(separator: ", ")) are one weight here, so that they are frozen together or not at all")
      }
      tensor.parameter.isTrainable = false
    }
    if let pattern = unused.first {
      throw .invalidConfiguration("no weight of the model is called \(pattern.quotedForMessage); inspect lists their names")
    }
    guard model.parameters.contains(where: \.parameter.isTrainable) else {
      throw .invalidConfiguration("every weight would be frozen, and nothing is left to train")
    }
  }
}
