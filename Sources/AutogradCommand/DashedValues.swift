import ArgumentParser
import AutogradBase

/// Values that begin with a dash, such as `--prompt "- item"` or `--seed -1`. The argument parser takes them for options
/// of their own; here they are tied to the option before them.
enum DashedValues {
  /// The arguments with `--name=value` where an option is followed by what begins with a dash and is no option.
  static func joined(_ arguments: [String]) -> [String] {
    let end = arguments.firstIndex(of: "--") ?? arguments.endIndex
    guard end > 1, (1..<end).contains(where: { arguments[$0 - 1].isOption && arguments[$0].isDashedValue }),
      let command = Options(of: arguments)
    else { return arguments }
    var result: [String] = [], index = 0
    while index < arguments.count {
      let next = index + 1
      if next < end, let name = command.taking[arguments[index]], arguments[next].isDashedValue,
        !command.all.contains(arguments[next])
      {
        result.append(name + "=" + arguments[next])
        index = next
      } else {
        result.append(arguments[index])
      }
      index += 1
    }
    return result
  }

  /// What to write where an option lacks a value and something with a dash follows it; nil where that is not so.
  static func hint(_ arguments: [String], message: String) -> String? {
    guard message.contains("Missing value for"), arguments.count > 1 else { return nil }
    for index in 1..<arguments.count where arguments[index - 1].isOption && arguments[index].hasPrefix("-") {
      let name = arguments[index - 1]
      guard message.contains("\(name) ") || message.contains("\(name)'") else { continue }
      return "A value that begins with a dash is written with an equals sign: "
        + "\(Options(of: arguments)?.taking[name] ?? name)=\(arguments[index].shellQuoted)"
    }
    return nil
  }

  /// The options of the command that arguments name.
  private struct Options {
    /// Those that take a value, by each of their names, with the name that takes `=value`.
    private(set) var taking: [String: String] = [:]
    /// The names of all.
    private(set) var all: Set<String> = []

    init?(of arguments: [String]) {
      guard let help = try? JSON(parsing: Array(AutogradCommand._dumpHelp().utf8)), var command = help["command"]
      else { return nil }
      for word in arguments {
        let subcommands = command["subcommands"]?.arrayValue ?? []
        guard let next = subcommands.first(where: { $0["commandName"]?.stringValue == word }) else { break }
        command = next
      }
      for argument in command["arguments"]?.arrayValue ?? [] { add(argument) }
    }

    private mutating func add(_ argument: JSON) {
      let names = (argument["names"]?.arrayValue ?? []).compactMap { name -> String? in
        guard let text = name["name"]?.stringValue else { return nil }
        return (name["kind"]?.stringValue == "long" ? "--" : "-") + text
      }
      all.formUnion(names)
      guard argument["kind"]?.stringValue == "option", let long = names.first(where: { $0.hasPrefix("--") }) else { return }
      for name in names { taking[name] = long }
    }
  }
}

extension String {
  fileprivate var isOption: Bool { utf8.count > 1 && hasPrefix("-") && !contains("=") }

  /// Whether it begins with a dash and is not spelt like an option: `-1`, `- item`, `--- x`, but neither `-n` nor
  /// `--name` nor `--name=x`.
  fileprivate var isDashedValue: Bool {
    guard utf8.count > 1, hasPrefix("-") else { return false }
    let rest = dropFirst()
    if rest.hasPrefix("-") {
      let name = rest.dropFirst().prefix { $0 != "=" }
      return name.isEmpty
        ? rest.count > 1 : !(name.first?.isLetter == true && name.allSatisfy { $0.isLetter || $0.isNumber || "-_".contains($0) })
    }
    return rest.count > 1 || rest.first?.isLetter != true
  }

  /// As a shell wants it: the word itself, or in quotes.
  var shellQuoted: String {
    let plain = utf8.allSatisfy { byte in
      let character = Character(Unicode.Scalar(byte))
      return byte < 0x80 && (character.isLetter || character.isNumber || "-_./=,:+@%".contains(character))
    }
    return plain && !isEmpty ? self : "'" + replacing("'", with: "'\\''") + "'"
  }
}
