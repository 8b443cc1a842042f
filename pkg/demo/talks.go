package demo

type line struct {
	from, text string
	replyTo    int      // the number of a line before this one, from 1; 0: of none
	picture    string   // that is attached
	reactions  []string // "who emoji"
}

type conversation struct {
	title   string   // empty: of two
	picture string   // of a group
	members []string // who makes it comes first; alone: notes to oneself
	pinned  string   // by whom
	unread  []string // who has not read the last lines
	tail    int      // how many lines those are
	lines   []line
}

// readBy is how many lines somebody has read.
func (c conversation) readBy(who string) int {
	for _, u := range c.unread {
		if u == who {
			return len(c.lines) - c.tail
		}
	}
	return len(c.lines)
}

// conversations, those with the oldest messages first. Ann has something of
// everything, because she is whom people try first.
var conversations = []conversation{
	{members: []string{"bob", "finn"}, lines: []line{
		{from: "bob", text: "May I use your ripples picture in class on Monday?"},
		{from: "finn", text: "Of course. Take the pond with you, too."},
		{from: "bob", text: "The head teacher says no to the pond.", reactions: []string{"finn 😂"}},
	}},
	{members: []string{"ella", "carla"}, unread: []string{"ella"}, tail: 1, lines: []line{
		{from: "ella", text: "Who fires those tiles? I have a kitchen wall that wants them."},
		{from: "carla", text: "A small workshop near the harbour. They do everything by hand.", picture: "tiles", reactions: []string{"ella 😍"}},
		{from: "ella", text: "How long does one have to wait?"},
		{from: "carla", text: "About six weeks. Tell them that I sent you."},
	}},
	{members: []string{"ann"}, lines: []line{
		{from: "ann", text: "Shopping: rope, oats, batteries for the head lamp"},
		{from: "ann", text: "Idea for the next album: nothing but fog"},
	}},
	{members: []string{"ann", "ella"}, lines: []line{
		{from: "ann", text: "Did you really put the orange cup aside?"},
		{from: "ella", text: "It has your name on it. Literally, on the bottom.", reactions: []string{"ann ❤️"}},
		{from: "ann", text: "You are the best. I'll come by on Thursday after work."},
		{from: "ella", text: "Studio is open until six, the kettle a bit longer.", reactions: []string{"ann 👍"}},
	}},
	{title: "Photo club", picture: "balloons", members: []string{"carla", "ann", "bob", "ella", "finn", "dev"}, unread: []string{"ann"}, tail: 2, lines: []line{
		{from: "carla", text: "Theme for this month, anybody?"},
		{from: "finn", text: "Water. I always say water."},
		{from: "carla", text: "We know, Finn.", replyTo: 2, reactions: []string{"ann 😂", "bob 😂", "ella 😂"}},
		{from: "ella", text: "What about geometry? Tiles, flowers, ripples. Something for everybody."},
		{from: "bob", text: "Planets are round. I am in.", replyTo: 4, reactions: []string{"ella 🎉", "carla 🎉"}},
		{from: "ann", text: "Good one. I have nothing yet but a very straight tree.", picture: "forest", reactions: []string{"carla 👍", "finn 🌲", "dev 🌲"}},
		{from: "dev", text: "Geometry it is. Upload until the 30th, we look at them together on the 1st?"},
		{from: "carla", text: "Perfect. My place, I'll make soup."},
	}},
	{members: []string{"dev", "ann"}, lines: []line{
		{from: "dev", text: "That lake picture. Which path did you take up?"},
		{from: "ann", text: "Behind the chapel, then left at the fallen pine. Two hours, a bit more with snow."},
		{from: "dev", text: "And where exactly did you stand?"},
		{from: "ann", text: "Right here, on the flat stone", picture: "far-shore", reactions: []string{"dev 😍"}},
		{from: "dev", text: "I owe you breakfast.", replyTo: 4},
	}},
	{title: "Sunday walk", picture: "hills", members: []string{"ann", "bob", "dev", "carla"}, pinned: "ann", lines: []line{
		{from: "ann", text: "Who is coming on Sunday? Train leaves at 6:42 from platform 3."},
		{from: "dev", text: "Me! I bring the map."},
		{from: "carla", text: "6:42 in the morning? 😴", replyTo: 1, reactions: []string{"bob 😂", "dev 😂"}},
		{from: "ann", text: "This is what you miss if you sleep:", picture: "hills", reactions: []string{"carla 😍", "dev 🔥", "bob 👍"}},
		{from: "carla", text: "Fine. I am coming.", replyTo: 4, reactions: []string{"ann 🎉"}},
		{from: "bob", text: "I bake. Rye or walnut?"},
		{from: "dev", text: "Both, obviously", replyTo: 6},
		{from: "ann", text: "Weather looks good: clear until four, a little wind on the ridge. Take gloves."},
	}},
	{members: []string{"bob", "ann"}, unread: []string{"ann"}, tail: 2, lines: []line{
		{from: "bob", text: "Did you hear the balloons this morning?"},
		{from: "ann", text: "Heard them, ran out, took the picture in my slippers", picture: "balloons", reactions: []string{"bob 😂"}},
		{from: "bob", text: "The cat is still under the bed."},
		{from: "ann", text: "Poor thing. Tell her they were only air.", replyTo: 3},
		{from: "bob", text: "She says that is what they all say."},
		{from: "bob", text: "Clear sky tonight, by the way. Saturn at ten, my balcony?"},
	}},
}
