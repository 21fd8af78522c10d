"""Write what was exported: manifest, `report.md`, `report.html`."""
