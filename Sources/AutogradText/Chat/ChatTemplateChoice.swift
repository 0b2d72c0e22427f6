import AutogradBase

/// What is known of the template that conversations are to be written by.
public enum ChatTemplateChoice: Sendable, Equatable {
  /// Nobody named one, and no model brings one.
  case none
  case template(ChatTemplate)
  /// A model brings one whose text is none that is known.
  case unknown(sha256: String)

  /// The template of a text in a model's files, by the hash of that text.
  ///
  /// Line feeds at the end make no difference: tools add and remove them.
  public static func recognised(_ text: String) -> ChatTemplateChoice {
    var bytes = Array(text.utf8)
    while bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
    var hash = SHA256()
    hash.update(bytes)
    let digest = hexadecimal(hash.finalize())
    let name = ChatTemplate.known.first { $0.sha256 == digest }?.name
    return name.flatMap { ChatTemplate.named($0) }.map { .template($0) } ?? .unknown(sha256: digest)
  }

  /// - Returns: Nil where there is none.
  /// - Throws: `unknownTemplate`.
  public func template() throws(TextError) -> ChatTemplate? {
    switch self {
    case .none: nil
    case .template(let template): template
    case .unknown(let sha256): throw .unknownTemplate(sha256: sha256)
    }
  }
}
