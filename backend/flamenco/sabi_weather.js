// SPDX-License-Identifier: GPL-3.0-or-later

// A job type for Flamenco 3: `sabi batch` over a folder, dealt out to the farm's workers in shards.
//
// To install it, put this file into the folder `scripts` beside flamenco-manager, and give the manager's configuration a variable
// named `sabi` that says where the command lies on each platform:
//
//     variables:
//       sabi:
//         values:
//           - { platform: linux, value: /opt/sabi/bin/sabi }
//           - { platform: windows, value: 'C:\sabi\Scripts\sabi.exe' }
//
// A task ends as the command does: 0 when all is done, skipped or left, 1 when an item failed. A task that is run again goes on
// where it stopped, because items that are done are skipped.

const JOB_TYPE = {
    label: "Sabi Weathering",
    description: "Weather a folder of .blend, glTF, FBX, USD files and textures by a table of rules",
    settings: [
        { key: "assets", type: "string", subtype: "dir_path", required: true,
          eval: "abspath('//')",
          evalInfo: { showLinkButton: true, description: "The folder of this .blend" },
          description: "Folder with .blend, glTF, FBX and USD files, textures and folders of maps" },
        { key: "output", type: "string", subtype: "dir_path", required: true,
          description: "Folder for the results, laid out as the assets are" },
        { key: "rules", type: "string", subtype: "file_path", required: false, default: "",
          description: "Table that says which objects and materials get which recipe (TOML or JSON)" },
        { key: "recipe", type: "string", required: false, default: "",
          description: "In place of rules: one recipe for everything, a preset's name or a file" },
        { key: "shards", type: "int32", required: true, default: 8, propargs: { min: 1, max: 1000 },
          description: "Tasks that the assets are dealt out to" },
        { key: "preview", type: "bool", required: false, default: false,
          description: "First paint small previews of everything onto one sheet, preview.png beside the results" },
        { key: "keep_going", type: "bool", required: false, default: false,
          description: "Go on also after what would fail every item, such as a server that is gone" },
        { key: "texels", type: "int32", required: false, default: 0, propargs: { min: 0, max: 8192 },
          description: "Texels a side of new textures of models, 512 to 8192; 0 for that of their own" },
        { key: "extra", type: "string", required: false, default: "", visible: "submission",
          description: "Further arguments of `sabi batch`" },
    ],
};

function compileJob(job) {
    const settings = job.settings;
    if (!settings.rules === !settings.recipe) {
        throw "Give either a table of rules or a recipe.";
    }
    const shards = Math.max(1, Math.floor(settings.shards || 1));
    const tasks = [];
    for (let number = 1; number <= shards; number++) {
        const more = ["--shard", `${number}/${shards}`].concat(settings.keep_going ? ["--keep-going"] : []);
        tasks.push(batchTask(`weather ${number} of ${shards}`, settings, more));
    }
    if (settings.preview) {
        const sheet = path.join(settings.output, "preview.png");
        const first = batchTask("preview", settings, ["--preview", sheet, "--overwrite"]);
        job.addTask(first);
        tasks.forEach((task) => task.addDependency(first));
    }
    tasks.forEach((task) => job.addTask(task));
}

// One run of `sabi batch`. Its task type is the one of Blender's tasks, since models are opened in Blender.
function batchTask(name, settings, more) {
    let args = ["batch", settings.assets, "--out", settings.output];
    args = args.concat(settings.rules ? ["--rules", settings.rules] : ["--recipe", settings.recipe]);
    if (settings.texels) {
        args = args.concat(["--texels", `${settings.texels}`]);
    }
    const extra = settings.extra ? shellSplit(settings.extra) : [];
    const task = author.Task(name, "blender");
    task.addCommand(author.Command("exec", { exe: "{sabi}", args: args.concat(more, extra) }));
    return task;
}
