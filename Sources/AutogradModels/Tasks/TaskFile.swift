public import AutogradBase
public import AutogradText

/// A question whose answers a model is asked to tell apart, or a text whose continuation it is asked for.
public struct TaskItem: Sendable, Equatable {
  /// In its file, counted from 1.
  public let line: Int
  public let context: String
  /// What may follow: one text, or several to choose from.
  public let choices: [String]
  /// Which of them is right.
  public let answer: Int
}

/// Items of one kind in a JSONL file, one in each line.
///
/// - `{"question": …, "choices": [… , …], "answer": 0}`: which of the choices the model finds likeliest. The question may
///   also stand under "context" or "query", the answer under "gold" or "label"; it counts from 0, or is one of the choices.
/// - `{"context": …, "continuation": …}`: whether the model would continue so.
public struct TaskFile: Sendable {
  public enum Kind: String, Sendable {
    case multipleChoice = "multiple choice"
    case continuation
  }

  public let kind: Kind
  public let items: [TaskItem]

  /// Far above what anybody measures a model with.
  static let byteLimit = 1 << 30

  /// - Throws: What cannot be read; `inside` with the line where that is no item, or one of the other kind.
  public init(_ path: String, fileSystem: some FileSystem = POSIXFileSystem()) throws(TextError) {
    try self.init(loadText(path: path, fileSystem: fileSystem, byteLimit: TaskFile.byteLimit), path: path)
  }

  /// - Parameter path: What the bytes come from, for sentences.
  public init(_ bytes: [UInt8], path: String) throws(TextError) {
    var items: [TaskItem] = [], kind: Kind?, line = 0
    for part in try text(of: bytes, path: path).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      line += 1
      if part.allSatisfy({ " \t\r".utf8.contains($0) }) { continue }
      do throws(TextError) {
        let (item, own) = try TaskFile.item(Array(part), line)
        if let kind, kind != own {
          throw .notTaskItem("it is of the kind \(own.rawValue), and those before are of \(kind.rawValue)")
        }
        kind = own
        items.append(item)
      } catch {
        throw .inside(path: path, line: line, error)
      }
    }
    guard let kind else { throw .emptyFile(path: path) }
    (self.kind, self.items) = (kind, items)
  }

  private static func item(_ line: [UInt8], _ number: Int) throws(TextError) -> (TaskItem, Kind) {
    let json: JSON
    do throws(JSONError) {
      json = try JSON(parsing: line)
    } catch {
      throw .notTaskItem("\(error)")
    }
    guard json.objectValue != nil else { throw .notTaskItem("the line is no object") }
    let (contextKey, context) = try one(of: ["question", "context", "query"], in: json)
    guard let context = context.stringValue else { throw .notTaskItem("\"\(contextKey)\" is no string") }
    if let continuation = json["continuation"] {
      guard json["choices"] == nil else { throw .notTaskItem("it has both \"choices\" and \"continuation\"") }
      guard let text = continuation.stringValue, !text.isEmpty else {
        throw .notTaskItem("\"continuation\" is no string, or an empty one")
      }
      return (TaskItem(line: number, context: context, choices: [text], answer: 0), .continuation)
    }
    guard let list = json["choices"]?.arrayValue else { throw .notTaskItem("it has no list of \"choices\"") }
    let choices = list.compactMap(\.stringValue)
    guard choices.count == list.count, choices.count > 1, choices.allSatisfy({ !$0.isEmpty }) else {
      throw .notTaskItem("its \"choices\" must be two strings or more, none of them empty")
    }
    let (answerKey, value) = try one(of: ["answer", "gold", "label"], in: json)
    let answer = value.intValue ?? value.stringValue.flatMap { text in choices.firstIndex { $0.hasSameBytes(as: text) } }
    guard let answer, choices.indices.contains(answer) else {
      throw .notTaskItem(
        "\"\(answerKey)\" must be a number from 0 to \(choices.count - 1), or one of the choices as it stands there")
    }
    return (TaskItem(line: number, context: context, choices: choices, answer: answer), .multipleChoice)
  }

  /// The one of several keys that an object has.
  private static func one(of keys: [String], in json: JSON) throws(TextError) -> (key: String, value: JSON) {
    let found = keys.filter { json[$0] != nil }
    guard let key = found.first, let value = json[key] else {
      throw .notTaskItem("it has no \(keys.map { "\"\($0)\"" }.joined(separator: " or "))")
    }
    guard found.count == 1 else {
      throw .notTaskItem("it has \(found.map { "\"\($0)\"" }.joined(separator: " and ")), and one is to be told; leave the others out")
    }
    return (key, value)
  }
}
