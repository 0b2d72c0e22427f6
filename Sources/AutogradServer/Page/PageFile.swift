/// The playground: a page to try the model on, with nothing in it that comes from elsewhere.
enum PageFile: String, CaseIterable {
  case document = "/"
  case style = "/playground.css"
  case program = "/playground.js"

  init?(path: String) { self.init(rawValue: path) }

  private var bytes: [UInt8] {
    switch self {
    case .document: PackageResources.playground_html
    case .style: PackageResources.playground_css
    case .program: PackageResources.playground_js
    }
  }

  private var type: String {
    switch self {
    case .document: "text/html; charset=utf-8"
    case .style: "text/css; charset=utf-8"
    case .program: "text/javascript; charset=utf-8"
    }
  }

  var response: ServerResponse {
    var response = ServerResponse(200, bytes, type: type)
    // A browser refuses whatever is not of this server, and to show the page inside another.
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
      + "form-action 'none'; frame-ancestors 'none'"
    response.fields += [("Content-Security-Policy", policy), ("X-Frame-Options", "DENY")]
    return response
  }
}
