// Colours of the pack's own sockets and wires. The page gives every type that its palette does not name an empty colour,
// at its start and whenever the palette changes: then ours holds. A palette that names a type of ours wins.
import { app } from "../../scripts/app.js";

const POSES = "#f2b134";
const COLOURS = {
  MMGT_POSES: POSES,
  "MMGT_POSES,POSE_KEYPOINT": POSES, // wires into inputs that take both
  POSE_KEYPOINT: "#d9824f",
  MMGT_SPEECH: "#4fc3c7",
  MMGT_AUDIO_ENCODER: "#3a8f93",
  MMGT_POSE_DETECTOR: "#9d7fd1",
  MMGT_SMGA: "#d573ae",
  MMGT_CONTEXTUAL_GESTURE: "#b65fc9",
};

function colour(byType, type) {
  let given = byType[type];
  Object.defineProperty(byType, type, {
    configurable: true,
    enumerable: true,
    get: () => given || COLOURS[type],
    set: (value) => { given = value; },
  });
}

app.registerExtension({
  name: "mmgt.colours",
  setup() {
    for (const type of Object.keys(COLOURS)) {
      colour(LGraphCanvas.link_type_colors, type);
      colour(app.canvas.default_connection_color_byType, type);
    }
    // the page's other renderer reads style sheets
    const rules = Object.entries(COLOURS)
      .filter(([type]) => !type.includes(","))
      .map(([type, value]) => `--color-datatype-${type}: ${value};`);
    const sheet = document.createElement("style");
    sheet.textContent = `html { ${rules.join(" ")} }`;
    document.head.append(sheet);
  },
});
