import AutogradTraining

/// Options as other programs spell them: nanoGPT writes underscores, others have names of their own.
enum ForeignNames {
  private static let ours = Dictionary(
    Setting.all.flatMap { setting in
      setting.aliases.map { ("--" + $0.split(separator: "_").joined(separator: "-"), setting.option) }
    }, uniquingKeysWith: { first, _ in first })

  /// The arguments with our names for options; values stay as they are.
  ///
  /// Another name for a setting is one where a command takes settings; elsewhere it may be an option of its own.
  static func translated(_ arguments: [String]) -> [String] {
    let end = arguments.firstIndex(of: "--") ?? arguments.endIndex
    let command = AutogradCommand.commands.first { $0.configuration.commandName == arguments.first }
    let names = command?.takesSettings ?? true ? ours : [:]
    return arguments[..<end].map { translated($0, names) } + arguments[end...]
  }

  private static func translated(_ argument: String, _ names: [String: String]) -> String {
    guard argument.hasPrefix("--") else { return argument }
    let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let name = String(parts[0].map { $0 == "_" ? "-" : $0 })
    return ([names[name] ?? name] + parts.dropFirst().map(String.init)).joined(separator: "=")
  }
}
