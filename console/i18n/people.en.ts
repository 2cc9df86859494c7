export default { title: "people" } as const;
