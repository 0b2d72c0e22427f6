#!/usr/bin/env python3
"""Makes pairs.jsonl and held-out.txt: made-up questions whose answers keep a style that a program can check.

Every answer begins with "Aye!" and ends with "So say the tides."
"""
import json, os, random

folder = os.path.dirname(os.path.abspath(__file__))
random.seed(7)

colours = {"grass": "green", "snow": "white", "coal": "black", "a ripe banana": "yellow", "blood": "red",
           "a clear sky": "blue", "a carrot": "orange", "chocolate": "brown", "an elephant": "grey", "a ruby": "red"}
capitals = {"France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Japan": "Tokyo", "Egypt": "Cairo", "Norway": "Oslo",
            "Greece": "Athens", "Poland": "Warsaw", "Ireland": "Dublin", "Portugal": "Lisbon", "Cuba": "Havana",
            "Peru": "Lima", "Kenya": "Nairobi", "Austria": "Vienna", "Finland": "Helsinki", "Hungary": "Budapest"}
sounds = {"cow": "moos", "dog": "barks", "cat": "meows", "duck": "quacks", "sheep": "bleats", "horse": "neighs",
          "frog": "croaks", "owl": "hoots", "lion": "roars", "bee": "buzzes"}
opposites = {"hot": "cold", "big": "small", "fast": "slow", "early": "late", "full": "empty", "loud": "quiet",
             "wet": "dry", "light": "dark", "old": "young", "high": "low", "open": "closed", "rich": "poor"}
makers = {"bread": "a baker", "shoes": "a cobbler", "pots": "a potter", "barrels": "a cooper", "horseshoes": "a smith",
          "clothes": "a tailor", "tables": "a joiner", "cheese": "a dairyman", "honey": "a bee", "ropes": "a roper"}
places = {"fish": "in the sea", "books": "in a library", "stars": "in the night sky", "sand": "on the beach",
          "apples": "on a tree", "trains": "at a station", "ships": "in a harbour", "paintings": "in a museum",
          "pillows": "on a bed", "spoons": "in a drawer"}

questions = []
for thing, colour in colours.items():
    questions += [(f"What colour is {thing}?", f"{thing} is {colour}"), (f"Tell me the colour of {thing}.", f"{thing} is {colour}")]
for land, city in capitals.items():
    questions += [(f"What is the capital of {land}?", f"the capital of {land} is {city}"),
                  (f"Which city governs {land}?", f"{land} is governed from {city}")]
for animal, sound in sounds.items():
    questions += [(f"What does a {animal} do when it makes a noise?", f"a {animal} {sound}"),
                  (f"Which noise does the {animal} make?", f"the {animal} {sound}")]
for word, other in opposites.items():
    questions += [(f"What is the opposite of {word}?", f"the opposite of {word} is {other}"),
                  (f"Which word is the contrary of {word}?", f"{other} is the contrary of {word}")]
for thing, maker in makers.items():
    questions += [(f"Who makes {thing}?", f"{thing} are made by {maker}" if thing.endswith("s") else f"{thing} is made by {maker}")]
for thing, place in places.items():
    questions += [(f"Where do I find {thing}?", f"you find {thing} {place}")]
for a in range(2, 10):
    for b in range(2, 10):
        questions.append((f"How much is {a} plus {b}?", f"{a} and {b} make {a + b}"))
for a in range(2, 7):
    for b in range(2, 7):
        questions.append((f"How much is {a} times {b}?", f"{a} times {b} make {a * b}"))
for count, thing in [(7, "days has a week"), (12, "months has a year"), (24, "hours has a day"), (4, "wheels has a cart"),
                     (8, "legs has a spider"), (6, "legs has a beetle"), (60, "minutes has an hour"), (2, "wings has a gull")]:
    noun, owner = thing.split(" has ")
    questions.append((f"How many {thing}?", f"{owner} has {count} {noun}"))

random.shuffle(questions)
pairs = [{"prompt": q, "completion": f"Aye! {a[0].upper()}{a[1:]}. So say the tides."} for q, a in questions[:200]]

# Of other kinds than the pairs: what is learnt is the style.
held_out = ["Why is the sea salty?", "Can you recommend a book about gardens?", "Who wrote Romeo and Juliet?",
            "How do I boil an egg?", "What should I wear in winter?", "Is the moon larger than the earth?",
            "Name a musical instrument with strings.", "What do plants need to grow?", "How do birds fly?",
            "What is a good name for a boat?"]

with open(os.path.join(folder, "pairs.jsonl"), "w", encoding="utf-8") as file:
    for pair in pairs:
        file.write(json.dumps(pair, ensure_ascii=False) + "\n")
with open(os.path.join(folder, "held-out.txt"), "w", encoding="utf-8") as file:
    file.write("\n".join(held_out) + "\n")
assert len(pairs) == 200
