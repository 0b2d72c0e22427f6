import AutogradBase
public import AutogradText

extension ModelDirectory {
  /// The template that the folder's model was taught conversations by: `chat_template.jinja`, or what
  /// `tokenizer_config.json` has under `chat_template` (of several, the one called "default").
  ///
  /// - Returns: `none` where neither says anything.
  /// - Throws: What cannot be read.
  public func chatTemplate() throws(LanguageModelError) -> ChatTemplateChoice {
    if let text = try bytes("chat_template.jinja", byteLimit: 1 << 20) {
      return .recognised(String(decoding: text, as: UTF8.self))
    }
    let settings = "tokenizer_config.json"
    guard let bytes = try bytes(settings, byteLimit: 16 << 20) else { return .none }
    let json: JSON
    do throws(JSONError) {
      json = try JSON(parsing: bytes)
    } catch {
      throw .json(path: file(settings), error)
    }
    let value = json["chat_template"]
    let ordinary = value?.arrayValue?.first { $0["name"]?.stringValue == "default" }?["template"]
    return (value?.stringValue ?? ordinary?.stringValue).map { .recognised($0) } ?? .none
  }

  /// Nil where there is no such file.
  private func bytes(_ name: String, byteLimit: Int) throws(LanguageModelError) -> [UInt8]? {
    guard fileSystem.exists(file(name)) else { return nil }
    do throws(FileError) {
      return try fileSystem.read(file(name), byteLimit: byteLimit)
    } catch {
      throw .file(error)
    }
  }
}
