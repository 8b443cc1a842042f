package demo

import "github.com/porticod/portico/pkg/demo/scene"

type person struct {
	username, name, about string
	face                  scene.Painting
	follows               []string
}

var people = []person{
	{
		"ann", "Ann Keller", "Early trains, cold lakes. Pictures from the mountains, mostly before breakfast.",
		scene.Portrait(0x2a9d8f, 0x5a3418, 0xf1c7a3, 0xe76f51, true), []string{"bob", "carla", "dev", "ella"},
	},
	{
		"bob", "Bob Tanaka", "Astronomy, bread, and one very old telescope.",
		scene.Portrait(0x355070, 0x1b1b1b, 0xe8b98f, 0xe9c46a, false), []string{"ann", "dev", "finn"},
	},
	{
		"carla", "Carla Mendes", "Architect. I collect columns, tiles and blue hours.",
		scene.Portrait(0xf4a261, 0x2b1a12, 0xc98d63, 0x264653, true), []string{"ann", "bob", "ella", "finn"},
	},
	{
		"dev", "Dev Okafor", "Walks until the map ends.",
		scene.Portrait(0xe9c46a, 0x15110f, 0x8d5a3b, 0x2a9d8f, false), []string{"ann", "bob", "carla", "ella"},
	},
	{
		"ella", "Ella Lindqvist", "Ceramics and coffee in Malmö. I keep this place running.",
		scene.Portrait(0xb56576, 0xd9a441, 0xf6d5bd, 0x355070, true), []string{"ann", "carla", "dev"},
	},
	{
		"finn", "Finn Brandt", "Waves of all kinds.",
		scene.Portrait(0x6d9dc5, 0x9c4a1a, 0xf3cdb0, 0x52796f, false), []string{"bob", "carla", "ella"},
	},
}

type picture struct {
	name, folder  string
	painting      scene.Painting
	width, height int
	alt           string
}

const (
	landscapes = "landscapes"
	shapes     = "shapes"
)

var pictures = []picture{
	{"hills", landscapes, scene.Hills, 840, 560, "Seven ridges of hills fade into the morning light, the sun above them."},
	{"lake", landscapes, scene.Lake, 800, 600, "A snow-covered mountain and its image in a dark blue lake."},
	{"far-shore", landscapes, scene.Painting(scene.Lake).Part(0.05, 0.3, 0.5, 0.5), 720, 720, "Firs along the far shore, and the mountain in the water."},
	{"forest", landscapes, scene.Forest, 640, 800, "Firs that become paler and paler in the fog."},
	{"aurora", landscapes, scene.Aurora, 840, 560, "Green northern lights over a row of firs."},
	{"planet", shapes, scene.Planet, 800, 600, "A banded planet with wide rings in front of a dark sky."},
	{"dunes", landscapes, scene.Dunes, 640, 800, "Dunes with ripples of sand under an evening sky."},
	{"sea", landscapes, scene.Sea, 800, 600, "The sun stands above the horizon and glitters on the sea."},
	{"swell", landscapes, scene.Painting(scene.Sea).Part(0.2, 0.5, 0.5, 0.5), 720, 720, "Light on dark waves, close by."},
	{"balloons", landscapes, scene.Balloons, 640, 800, "Three hot-air balloons, the largest red and white, over green hills."},
	{"city", landscapes, scene.City, 800, 600, "Towers at night with lit windows, a thin moon and a river."},
	{"columns", shapes, scene.Columns, 640, 800, "A portico with five columns under a blue sky."},
	{"tiles", shapes, scene.Tiles, 720, 720, "A wall of tiles with quarter circles in six colors."},
	{"coffee", shapes, scene.Coffee, 800, 640, "A cup of coffee from above, with a heart of milk foam, on a wooden table."},
	{"sunflower", shapes, scene.Sunflower, 720, 720, "A sunflower from the front, its seeds in spirals."},
	{"ripples", shapes, scene.Ripples, 800, 600, "The ripples of two stones in blue water meet."},
}

// altOf is the description of a picture.
func altOf(name string) string {
	for _, p := range pictures {
		if p.name == name {
			return p.alt
		}
	}
	return ""
}

type comment struct {
	from, text string
	likes      []string
}

type post struct {
	name, author string
	pictures     []string
	caption      string
	likes        []string
	comments     []comment
}

// posts, the oldest first.
var posts = []post{
	{"tiles", "carla", []string{"tiles"}, "Every tile is a quarter circle. The rest is patience. #geometry #tiles", []string{"ann", "ella", "bob"}, []comment{
		{"ella", "I want these in my kitchen. All of them.", []string{"carla"}},
		{"carla", "@ella I know somebody who fires them, I will send you the address", nil},
	}},
	{"aurora", "dev", []string{"aurora"}, "Minus twenty, three hours of waiting, eleven minutes of this. #northernlights #night", []string{"ann", "bob", "carla", "ella", "finn"}, []comment{
		{"ann", "Eleven minutes well spent!", []string{"dev", "ella"}},
		{"bob", "What was the exposure? Mine always come out like soup.", nil},
		{"dev", "@bob eight seconds, wide open. And a very heavy stone on the tripod.", []string{"bob"}},
	}},
	{"sunflower", "ella", []string{"sunflower"}, "137.5 degrees, again and again. Nobody told the flower. #geometry #garden", []string{"carla", "ann", "dev"}, []comment{
		{"carla", "The best architect of us all.", []string{"ella"}},
	}},
	{"sea", "finn", []string{"sea", "swell"}, "Last light, then a closer look at it. Swipe. #sea #sunset", []string{"carla", "ella"}, []comment{
		{"carla", "The second one!", nil},
	}},
	{"columns", "carla", []string{"columns"}, "Five columns, one roof: a portico is a simple machine for standing in the shade. #architecture", []string{"ann", "bob", "finn"}, []comment{
		{"finn", "And for meeting people.", []string{"carla", "ann"}},
	}},
	{"planet", "bob", []string{"planet"}, "First clear night in weeks, and the old telescope still has it. #astronomy #night", []string{"ann", "dev", "finn", "carla"}, []comment{
		{"dev", "You can see the gap in the rings!", []string{"bob"}},
		{"ann", "Next time wake me up, I live next door", nil},
	}},
	{"lake", "ann", []string{"lake", "far-shore"}, "The lake at six. No wind, nobody there but me and a very loud duck. #mountains #lake", []string{"bob", "carla", "dev", "ella"}, []comment{
		{"dev", "Which path did you take up?", nil},
		{"ann", "@dev the one behind the chapel, about two hours", []string{"dev"}},
		{"ella", "I can hear the duck.", []string{"ann", "bob", "dev"}},
	}},
	{"dunes", "dev", []string{"dunes"}, "Where the map ended. #desert #walking", []string{"ann", "ella"}, []comment{
		{"ella", "And then?", nil},
		{"dev", "@ella then I turned round, there is no shop.", []string{"ella", "ann"}},
	}},
	{"city", "carla", []string{"city"}, "Blue hour is over when the windows win. #city #night", []string{"bob", "finn", "ella", "ann"}, nil},
	{"ripples", "finn", []string{"ripples"}, "Two stones, one second apart. #water #geometry", []string{"bob", "carla"}, []comment{
		{"bob", "Interference! I will use this in class on Monday.", []string{"finn"}},
	}},
	{"forest", "ann", []string{"forest"}, "Fog makes everything a drawing. #forest #fog", []string{"carla", "dev", "bob"}, []comment{
		{"carla", "So quiet.", []string{"ann"}},
	}},
	{"coffee", "ella", []string{"coffee"}, "New cups are out of the kiln, and tested at once. #ceramics #coffee", []string{"ann", "carla", "dev", "finn"}, []comment{
		{"ann", "Put one aside for me!", []string{"ella"}},
		{"ella", "@ann done, the orange one", nil},
	}},
	{"hills", "dev", []string{"hills"}, "Counted seven ridges. There may be more. #mountains #morning", []string{"ann", "carla"}, []comment{
		{"ann", "Seven! I only ever get to five.", nil},
	}},
	{"balloons", "ann", []string{"balloons"}, "Heard them before I saw them. #morning #sky", []string{"bob", "ella", "carla", "dev"}, []comment{
		{"bob", "They came over our roof, the cat is still under the bed", []string{"ann", "ella"}},
		{"ella", "That red one is lovely.", nil},
	}},
}

var stories = []struct{ author, picture, caption string }{
	{"bob", "aurora", "They are back tonight, look north!"},
	{"ella", "coffee", "Studio is open until six"},
	{"carla", "tiles", "Found another wall"},
	{"carla", "columns", "Lunch in the shade"},
}

var albums = []struct {
	author, title, about string
	posts                []string
}{
	{"ann", "Before breakfast", "Everything that was worth getting up for.", []string{"lake", "forest", "balloons"}},
	{"carla", "Straight and round", "Lines, arches, quarter circles.", []string{"columns", "tiles", "city"}},
}
