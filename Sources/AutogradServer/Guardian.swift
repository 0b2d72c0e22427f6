import AutogradBase

/// Who may ask.
///
/// A page that anybody wrote runs in a browser on this machine and may send requests here. Under a name of its own that
/// leads here (DNS rebinding) it could even read the answers; so the name that a request was sent to is checked, and the
/// page that it comes from.
struct Guardian {
  private let settings: ServerSettings

  init(_ settings: ServerSettings) { self.settings = settings }

  /// - Throws: With status 421 where a request was sent to a name that this server does not have.
  func checkHost(_ head: RequestHead) throws(APIError) {
    guard let host = head["host"] else { return }  // HTTP/1.0; no browser speaks it
    let name = Guardian.hostName(host)
    // Nobody can make an address in digits, or localhost, lead to somewhere else.
    let isKnown = name.map { name in
      name == "localhost" || Address.isIPv4(name) || Address.looksLikeIPv6(name)
        || settings.hostNames.contains { $0.lowercased() == name }
    }
    guard isKnown == true else {
      throw APIError(
        status: 421, "this server is not called \(host.quotedForMessage): ask it by its address, or let it know the name",
        code: "unknown_host")
    }
  }

  /// - Throws: With status 403 where the page that asks is of another site, and that site is not allowed.
  func checkOrigin(_ head: RequestHead) throws(APIError) {
    guard let origin = head["origin"] else { return }
    if settings.corsOrigins.contains(origin) { return }
    if let host = head["host"], origin.lowercased() == "http://" + host.lowercased() { return }
    throw APIError(
      status: 403, "pages of \(origin.quotedForMessage) may not ask this server; allow that origin, if it is yours",
      code: "origin_not_allowed")
  }

  /// - Throws: With status 401 where the key is missing or another.
  func checkKey(_ head: RequestHead) throws(APIError) {
    guard let key = settings.key else { return }
    let words = (head["authorization"] ?? "").split(separator: " ")
    let given = words.count == 2 && words[0].lowercased() == "bearer" ? Array(words[1].utf8) : []
    guard Guardian.isSame(given, Array(key.utf8)) else {
      throw APIError(
        status: 401, "this server asks for its key: send it as authorization: Bearer KEY", code: "invalid_api_key")
    }
  }

  /// Says which other site may read an answer: the one that asks, if it is allowed.
  func allowing(_ head: RequestHead, _ response: ServerResponse) -> ServerResponse {
    guard let origin = head["origin"], settings.corsOrigins.contains(origin) else { return response }
    var response = response
    response.fields += [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]
    return response
  }

  /// What a browser asks before a page of another site may ask.
  func preflight(_ head: RequestHead) -> ServerResponse {
    var response = allowing(head, ServerResponse(200, [], type: "text/plain"))
    response.fields += [
      ("Access-Control-Allow-Methods", "GET, POST"),
      ("Access-Control-Allow-Headers", "Authorization, Content-Type"), ("Access-Control-Max-Age", "600"),
    ]
    return response
  }

  /// The name in a field `host`, without port and brackets; nil where it is none.
  static func hostName(_ host: String) -> String? {
    let host = host.lowercased()
    var rest: Substring
    let name: Substring
    if host.hasPrefix("[") {
      guard let end = host.firstIndex(of: "]") else { return nil }
      name = host[host.index(after: host.startIndex)..<end]
      rest = host[host.index(after: end)...]
    } else {
      name = host.prefix { $0 != ":" }
      rest = host[name.endIndex...]
    }
    if !rest.isEmpty {
      rest.removeFirst()
      guard UInt16(rest) != nil, rest.allSatisfy(\.isNumber) else { return nil }
    }
    return name.isEmpty ? nil : String(name)
  }

  /// Compares in a time that tells nothing of how much is the same; only of the length of what was given.
  static func isSame(_ given: [UInt8], _ key: [UInt8]) -> Bool {
    var difference = UInt(bitPattern: given.count ^ key.count)
    for (index, byte) in given.enumerated() { difference |= UInt(byte ^ key[index % max(1, key.count)]) }
    return difference == 0
  }
}
