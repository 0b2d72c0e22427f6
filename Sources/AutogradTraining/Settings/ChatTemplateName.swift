package import AutogradBase
public import AutogradText

/// A chat template by its name, or the wish to have none.
public struct ChatTemplateName: Sendable, Equatable {
  public let name: String

  static let none = "none"

  /// - Returns: Nil where no template has this name.
  public init?(_ name: String) {
    guard name == ChatTemplateName.none || ChatTemplate.named(name) != nil else { return nil }
    self.name = name
  }

  /// What a text was written by.
  public init(_ choice: ChatTemplateChoice) {
    name = if case .template(let template) = choice { template.name } else { ChatTemplateName.none }
  }

  public var choice: ChatTemplateChoice { ChatTemplate.named(name).map { .template($0) } ?? .none }
}

extension ChatTemplateName: SettingValue {
  package static var form: String { "a known name" }
  package static var names: [String] { ChatTemplate.all.map(\.name) + [none] }
  package init?(word: String) { self.init(word) }
  package init?(json: JSON) {
    guard let name = json.stringValue else { return nil }
    self.init(name)
  }
  package var json: JSON { .string(name) }
}
