import AutogradTraining

/// Options as other programs spell them: nanoGPT writes underscores, others have names of their own.
enum ForeignNames {
  private static let ours = Dictionary(
    Setting.all.flatMap { setting in
      setting.aliases.map { ("--" + $0.split(separator: "_").joined(separator: "-"), setting.option) }
    }, uniquingKeysWith: { first, _ in first })

  /// The arguments with our names for options; values stay as they are.
  static func translated(_ arguments: [String]) -> [String] {
    let end = arguments.firstIndex(of: "--") ?? arguments.endIndex
    return arguments[..<end].map(translated) + arguments[end...]
  }

  private static func translated(_ argument: String) -> String {
    guard argument.hasPrefix("--") else { return argument }
    let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let name = String(parts[0].map { $0 == "_" ? "-" : $0 })
    return ([ours[name] ?? name] + parts.dropFirst().map(String.init)).joined(separator: "=")
  }
}
