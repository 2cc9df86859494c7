export default { title: "objects" } as const;
