// The templates that are known. `Scripts/make_chat_templates.py` renders the same ten conversations by the templates that
// models came with, for the tests; `ChatTemplate+Known.swift` has the hashes of those texts.
extension ChatTemplate {
  /// Every template by its name, those that need no special tokens last.
  public static let all = [
    chatML("chatml"), chatML("chatml-bos", beginning: "{bos}"),
    chatML(
      "smollm2", defaultSystem: "You are a helpful AI assistant named SmolLM, trained by Hugging Face"),
    chatML("qwen2", defaultSystem: "You are a helpful assistant."),
    chatML("qwen2.5", defaultSystem: "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."),
    chatML("qwen3", hasReasoning: true),
    chatML("hermes3", beginning: "{bos}", defaultSystem: "You are a helpful assistant."),
    llama2, llama3, llama31, mistral01, mixtral01, mistral1, mistral3, mistral7, mistral7Tekken, phi3, phi35, phi4,
    phi4Mini, gemma, gemma3, openChat, zephyr, tulu3, olmo2, deepSeek, alpaca,
  ]

  public static func named(_ name: String) -> ChatTemplate? { all.first { $0.name == name } }

  // MARK: ChatML

  private static func chatML(
    _ name: String, beginning: String = "", defaultSystem: String? = nil, hasReasoning: Bool = false
  ) -> ChatTemplate {
    func turn(_ role: ChatRole) -> Turn { Turn("<|im_start|>\(role.rawValue)\n", end: "<|im_end|>", after: "\n") }
    return ChatTemplate(
      name: name, beginning: beginning, defaultSystem: defaultSystem, system: .turn(turn(.system)), user: turn(.user),
      assistant: turn(.assistant), hasReasoning: hasReasoning, opening: "<|im_start|>assistant\n",
      requiredTokens: ["<|im_start|>", "<|im_end|>"])
  }

  // MARK: Llama

  private static let llama2 = ChatTemplate(
    name: "llama2", system: .inFirstQuestion(Turn("<<SYS>>\n", after: "\n<</SYS>>\n\n")),
    user: Turn("{bos}[INST] ", end: " [/INST]"), assistant: Turn(" ", end: " {eos}"), trimming: .questionWithSystem,
    alternates: true, opening: "")

  private static func llama3Turn(_ role: ChatRole, _ more: String = "") -> Turn {
    Turn("<|start_header_id|>\(role.rawValue)<|end_header_id|>\n\n\(more)", end: "<|eot_id|>")
  }

  private static let llama3 = ChatTemplate(
    name: "llama3", beginning: "{bos}", system: .turn(llama3Turn(.system)), user: llama3Turn(.user),
    assistant: llama3Turn(.assistant), trimming: .whole, opening: "<|start_header_id|>assistant<|end_header_id|>\n\n",
    requiredTokens: ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"])

  /// With the date that the template itself has where nobody gives another.
  private static let llama31 = ChatTemplate(
    name: "llama3.1", beginning: "{bos}", defaultSystem: "",
    system: .turn(
      llama3Turn(.system, "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"), later: llama3Turn(.system)),
    user: llama3Turn(.user), assistant: llama3Turn(.assistant), trimming: .whole,
    opening: "<|start_header_id|>assistant<|end_header_id|>\n\n",
    requiredTokens: ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"])

  // MARK: Mistral

  private static let mistral01 = ChatTemplate(
    name: "mistral-v0.1", beginning: "{bos}", system: .nowhere, user: Turn("[INST] ", end: " [/INST]"),
    assistant: Turn("", end: "{eos}", after: " "), alternates: true, opening: "")

  private static let mixtral01 = ChatTemplate(
    name: "mixtral-v0.1", beginning: "{bos}", system: .nowhere, user: Turn("[INST] ", end: " [/INST]"),
    assistant: Turn("", end: "{eos}"), alternates: true, opening: "")

  private static let mistral1 = ChatTemplate(
    name: "mistral-v1", beginning: "{bos}", system: .inFirstQuestion(Turn("", after: "\n\n")),
    user: Turn(" [INST] ", end: " [/INST]"), assistant: Turn(" ", end: "{eos}"), alternates: true, opening: "")

  private static let mistral3 = ChatTemplate(
    name: "mistral-v3", beginning: "{bos}", system: .inLastQuestion(Turn("", after: "\n\n")),
    user: Turn("[INST] ", end: "[/INST]"), assistant: Turn(" ", end: "{eos}"), trimming: .answers, alternates: true,
    opening: "", requiredTokens: ["[INST]", "[/INST]"])

  private static let mistral7 = ChatTemplate(
    name: "mistral-v7", beginning: "{bos}", system: .turn(Turn("[SYSTEM_PROMPT] ", end: "[/SYSTEM_PROMPT]")),
    user: Turn("[INST] ", end: "[/INST]"), assistant: Turn(" ", end: "{eos}"), opening: "",
    requiredTokens: ["[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"])

  private static let mistral7Tekken = ChatTemplate(
    name: "mistral-v7-tekken", beginning: "{bos}", system: .turn(Turn("[SYSTEM_PROMPT]", end: "[/SYSTEM_PROMPT]")),
    user: Turn("[INST]", end: "[/INST]"), assistant: Turn("", end: "{eos}"), opening: "",
    requiredTokens: ["[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"])

  // MARK: Phi

  private static func phiTurn(_ role: ChatRole) -> Turn { Turn("<|\(role.rawValue)|>\n", end: "<|end|>", after: "\n") }
  private static let phiTokens = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]

  private static let phi3 = ChatTemplate(
    name: "phi3", system: .turn(phiTurn(.system)), user: phiTurn(.user), assistant: phiTurn(.assistant), ending: "{eos}",
    opening: "<|assistant|>\n", requiredTokens: phiTokens)

  private static let phi35 = ChatTemplate(
    name: "phi3.5", system: .turn(phiTurn(.system), skipsEmpty: true), user: phiTurn(.user),
    assistant: phiTurn(.assistant), ending: "{eos}", opening: "<|assistant|>\n", requiredTokens: phiTokens)

  private static let phi4 = ChatTemplate(
    name: "phi4", system: .turn(Turn("<|im_start|>system<|im_sep|>", end: "<|im_end|>")),
    user: Turn("<|im_start|>user<|im_sep|>", end: "<|im_end|>", after: "<|im_start|>assistant<|im_sep|>"),
    assistant: Turn("", end: "<|im_end|>"), opening: "", requiredTokens: ["<|im_start|>", "<|im_sep|>", "<|im_end|>"])

  private static let phi4Mini = ChatTemplate(
    name: "phi4-mini", system: .turn(Turn("<|system|>", end: "<|end|>")), user: Turn("<|user|>", end: "<|end|>"),
    assistant: Turn("<|assistant|>", end: "<|end|>"), ending: "{eos}", opening: "<|assistant|>", requiredTokens: phiTokens)

  // MARK: Gemma

  private static func gemma(_ name: String, _ system: SystemPlace) -> ChatTemplate {
    ChatTemplate(
      name: name, beginning: "{bos}", system: system,
      user: Turn("<start_of_turn>user\n", end: "<end_of_turn>", after: "\n"),
      assistant: Turn("<start_of_turn>model\n", end: "<end_of_turn>", after: "\n"), trimming: .whole, alternates: true,
      opening: "<start_of_turn>model\n", requiredTokens: ["<start_of_turn>", "<end_of_turn>"])
  }

  private static let gemma = gemma("gemma", .nowhere)
  private static let gemma3 = gemma("gemma3", .inFirstQuestion(Turn("", after: "\n\n")))

  // MARK: Others

  private static let openChat = ChatTemplate(
    name: "openchat", beginning: "{bos}", system: .turn(Turn("GPT4 Correct System: ", end: "<|end_of_turn|>")),
    user: Turn("GPT4 Correct User: ", end: "<|end_of_turn|>"),
    assistant: Turn("GPT4 Correct Assistant: ", end: "<|end_of_turn|>"), opening: "GPT4 Correct Assistant:",
    requiredTokens: ["<|end_of_turn|>"])

  /// TinyLlama's, too.
  private static let zephyr = ChatTemplate(
    name: "zephyr", system: .turn(Turn("<|system|>\n", end: "{eos}", after: "\n")),
    user: Turn("<|user|>\n", end: "{eos}", after: "\n"), assistant: Turn("<|assistant|>\n", end: "{eos}", after: "\n"),
    opening: "<|assistant|>\n")

  private static func tulu(_ name: String, beginning: String) -> ChatTemplate {
    ChatTemplate(
      name: name, beginning: beginning, system: .turn(Turn("<|system|>\n", after: "\n")),
      user: Turn("<|user|>\n", after: "\n"), assistant: Turn("<|assistant|>\n", end: "{eos}", between: "\n"),
      opening: "<|assistant|>\n")
  }

  private static let tulu3 = tulu("tulu3", beginning: "")
  private static let olmo2 = tulu("olmo2", beginning: "{bos}")

  private static let deepSeek = ChatTemplate(
    name: "deepseek", beginning: "{bos}", system: .turn(Turn("", after: "\n\n")), user: Turn("User: ", after: "\n\n"),
    assistant: Turn("Assistant: ", end: "{eos}"), opening: "Assistant:")

  private static let alpaca = ChatTemplate(
    name: "alpaca", beginning: "{bos}", system: .turn(Turn("", between: "\n\n"), onlyFirst: true),
    user: Turn("### Instruction:\n", between: "\n\n"), assistant: Turn("### Response:\n", end: "{eos}", between: "\n\n"),
    opening: "\n\n### Response:\n")
}
